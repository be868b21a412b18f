//! Indented JSON for people.

/// Deeper levels are not indented further: the indentation would turn kilobytes of deeply nested
/// JSON into megabytes.
const MAX_INDENTED_DEPTH: usize = 32;

/// Indents JSON. Only the white space between tokens changes.
pub(super) fn indent(json: &str) -> String {
    let mut lines = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { string_length(rest) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        rest = after;
        match token {
            "{" | "[" => {
                lines.push_str(token);
                rest = rest.trim_start();
                if !rest.starts_with(['}', ']']) {
                    depth += 1;
                    new_line(&mut lines, depth);
                } else {
                    lines.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                new_line(&mut lines, depth);
                lines.push_str(token);
            }
            "," => {
                lines.push(',');
                new_line(&mut lines, depth);
            }
            ":" => lines.push_str(": "),
            " " | "\n" | "\r" | "\t" => {}
            _ => lines.push_str(token),
        }
    }
    lines.push('\n');
    lines
}

/// Returns the length of the string literal at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn new_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    lines.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENTED_DEPTH)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_on_a_line_of_its_own() {
        assert_eq!(
            indent(r#"{"a":[1,{"b":{}}],"c":[ ],"d":null}"#),
            r#"{
  "a": [
    1,
    {
      "b": {}
    }
  ],
  "c": [],
  "d": null
}
"#
        );
        assert_eq!(indent("{}"), "{}\n");
        assert_eq!(indent("null"), "null\n");
    }

    #[test]
    fn tokens_do_not_change() {
        for token in
            ["2.50", "1E5", "-0", "1e400", r#""{\"a\": [1, 2]}\\""#, r#""\\\"""#, "\"é:,\""]
        {
            assert_eq!(indent(&format!("[{token}]")), format!("[\n  {token}\n]\n"));
        }
    }

    #[test]
    fn g11_deep_nesting_is_not_blown_up() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(indent(&deep).len() < 100 * deep.len());
    }
}
