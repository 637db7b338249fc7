//! Where in a JSON text an error is, for people: `limits.acme[2]`.

/// One step into a JSON value.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The path of the value that ends at, or else contains, the place up to which
/// serde_json had read (`line` from 1, `column` in bytes). Empty at the root.
///
/// It reads the text once more, with few lines, instead of wrapping every
/// deserialiser as crates for this do: that makes a guest a seventh larger.
pub(crate) fn path_at(json: &str, line: usize, column: usize) -> String {
    let before: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = json.len().min(before + column);
    let mut steps = Vec::new();
    let mut position = 0;
    while position < end {
        let byte = json.as_bytes()[position];
        position += 1;
        match byte {
            b'{' => steps.push(Step::Key("")),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                // The next string is a key again.
                Some(Step::Key(key)) => *key = "",
                None => {}
            },
            b'"' => {
                let length = string_length(&json.as_bytes()[position..]);
                if let Some(Step::Key(key)) = steps.last_mut()
                    && key.is_empty()
                {
                    *key = &json[position..position + length];
                }
                position += length + 1;
            }
            _ => {}
        }
    }
    write(&steps)
}

/// The bytes up to a string's closing quote.
fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let closing = rest.iter().position(|&byte| {
        let quote = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        quote
    });
    closing.unwrap_or(rest.len())
}

fn write(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key("") => {}
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path at the first `^`, which is not part of the text.
    fn at(marked: &str) -> String {
        let position = marked.find('^').unwrap();
        let line = marked[..position].matches('\n').count() + 1;
        let column = position - marked[..position].rfind('\n').map_or(0, |newline| newline + 1);
        path_at(&marked.replacen('^', "", 1), line, column)
    }

    #[test]
    fn the_path_leads_to_the_value() {
        let table = [
            ("^{}", ""),
            (r#"{"a": 1^}"#, "a"),
            (r#"{"a": 1}^"#, ""),
            (r#"{"a": {"b": 1}^}"#, "a"),
            (r#"{"a": "x,{\"", "b": [1, {"c": 2^}]}"#, "b[1].c"),
            (r#"{"a": [[], [0, "x"^]]}"#, "a[1][1]"),
            (r#"{"a": "\\", "b": tr^}"#, "b"),
            ("{\"a\": 1,\r\n \"é\": {\n  \"b\": 2^}}", "é.b"),
            (r#"{"a": 1, "unknown"^: 2}"#, "unknown"),
            (r#"{"a": "no end^"#, "a"),
        ];
        for (marked, path) in table {
            assert_eq!(at(marked), path, "{marked}");
        }
    }
}
