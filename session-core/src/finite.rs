//! Finding numbers that JSON cannot express.

use serde::{
    Serialize,
    ser::{self, Error as _},
};

type Result<T = ()> = std::result::Result<T, serde_json::Error>;

/// Returns an error if a value contains NaN or an infinity, which serde_json writes as `null`.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result {
    value.serialize(Finite)
}

/// A serializer that writes nothing and refuses numbers that are not finite.
struct Finite;

macro_rules! accept {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result { Ok(()) })*
    };
}

macro_rules! visit_parts {
    ($($trait:ident::$method:ident($($name:ty)?);)*) => {$(
        impl ser::$trait for Finite {
            type Ok = ();
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result {
                check(value)
            }

            fn end(self) -> Result {
                Ok(())
            }
        }
    )*};
}

impl ser::Serializer for Finite {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    accept! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, number: f32) -> Result {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result {
        if number.is_finite() { Ok(()) } else { Err(serde_json::Error::custom("not a number")) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        check(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        check(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result {
        check(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self> {
        Ok(self)
    }
}

visit_parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str);
    SerializeStructVariant::serialize_field(&'static str);
}

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        check(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        check(value)
    }

    fn end(self) -> Result {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::*;

    #[derive(Serialize)]
    enum Price {
        Fixed { amount: f64 },
        Range(f32, f32),
        Once(f64),
    }

    #[test]
    fn numbers_that_are_not_finite_are_found_wherever_they_are() {
        assert!(check(&f64::NAN).is_err());
        assert!(check(&Some(f32::INFINITY)).is_err());
        assert!(check(&[1.0, f64::NEG_INFINITY]).is_err());
        assert!(check(&(1, f64::NAN)).is_err());
        assert!(check(&BTreeMap::from([("a", f64::NAN)])).is_err());
        assert!(check(&Price::Fixed { amount: f64::NAN }).is_err());
        assert!(check(&Price::Range(1.0, f32::NAN)).is_err());
        assert!(check(&Price::Once(f64::NAN)).is_err());
    }

    #[test]
    fn everything_else_is_accepted() {
        let raw = RawValue::from_string("[null, 1e400]".to_owned()).unwrap();
        assert!(check(&raw).is_ok());
        assert!(check(&(None::<u8>, (), "null", 'n', [1.5_f64], i128::MIN)).is_ok());
        assert!(check(&Price::Fixed { amount: 1.0 }).is_ok());
    }
}
