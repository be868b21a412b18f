//! What people with a browser get otherwise than programs.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

/// Deeper levels are not indented further, or deep nesting would make megabytes of kilobytes.
const DEEPEST: usize = 32;

/// Whether a browser shows the answer as a page. Its scripts do not ask for HTML.
pub(super) fn reads(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|types| types.to_str().ok());
    accepted.is_some_and(|types| types.contains("text/html"))
}

/// Whether the answer is to a form of the page.
pub(super) fn submitted(request: &HttpRequest) -> bool {
    request.method() == Method::POST && reads(request)
}

/// Leads a browser without scripts back to the page, where what has been done is to be seen; a reload does not do it again.
pub(super) fn back_to_page() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/plain")).finish()
}

/// Spreads JSON over lines. Only the space between tokens changes, no token does.
pub(super) fn indented(json: &str) -> String {
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

/// The length of the string that `text` begins with, quotes included.
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
    lines.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spread_over_lines() {
        assert_eq!(
            indented(r#"{"a":[1,{"b":{}}],"c":[ ],"d":null}"#),
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
        assert_eq!(indented("{}"), "{}\n");
        assert_eq!(indented("null"), "null\n");
    }

    #[test]
    fn no_token_changes() {
        for token in
            ["2.50", "1E5", "-0", "1e400", r#""{\"a\": [1, 2]}\\""#, r#""\\\"""#, "\"é:,\""]
        {
            assert_eq!(indented(&format!("[{token}]")), format!("[\n  {token}\n]\n"));
        }
    }

    #[test]
    fn g11_deep_nesting_stays_small() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(indented(&deep).len() < 100 * deep.len());
    }
}
