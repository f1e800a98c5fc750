//! Headers for the collector, which may be credentials: from a file, never shown.

use std::path::Path;

use http::{HeaderName, HeaderValue, header};

use super::TracesError;

/// Reads the file: a name, a colon and a value on each line. Empty lines and those with `#` say nothing.
pub(super) async fn read(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, TracesError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| wrong(path, format!("cannot be read: {error}")))?;
    parse(&text).map_err(|line| {
        let reason = format!("line {line} is no header: write \"Name: value\"");
        wrong(path, reason)
    })
}

fn wrong(path: &Path, reason: String) -> TracesError {
    TracesError::File {
        path: path.to_owned(),
        reason,
    }
}

/// The headers, or the number of the line that is none.
fn parse(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, usize> {
    let mut headers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        headers.push(header(line).ok_or(index + 1)?);
    }
    Ok(headers)
}

/// What describes the message itself is ours to say.
fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let ours = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
    ];
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    (!ours.contains(&name)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_header_that_is_never_shown() {
        let text = "# for the collector\nAuthorization: Bearer hunter2\n\n x-tenant :  a:b \n";
        let headers = parse(text).unwrap();
        assert_eq!(headers[0].1, "Bearer hunter2");
        assert_eq!(
            (headers[1].0.as_str(), &headers[1].1),
            ("x-tenant", &"a:b".parse().unwrap())
        );
        assert!(!format!("{headers:?}").contains("hunter2"));
    }

    #[test]
    fn a_line_that_is_no_header_is_named_by_its_number() {
        for (text, line) in [
            ("a: b\nhunter2", 2),
            ("two words: b", 1),
            ("a: b\n\nContent-Length: 5", 3),
            ("a: \u{1}", 1),
        ] {
            assert_eq!(parse(text).unwrap_err(), line, "{text}");
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2").unwrap();
        let error = read(file.path()).await.unwrap_err().to_string();
        assert!(
            error.contains("line 1") && !error.contains("hunter2"),
            "{error}"
        );
        let error = read(Path::new("/nonexistent"))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("/nonexistent: cannot be read"), "{error}");
    }
}
