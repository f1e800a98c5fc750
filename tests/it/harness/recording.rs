//! The recorded exchanges of a real Harbor in `tests/data`, parsed.

use std::path::{Path, PathBuf};

/// One exchange.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The file's name without its ending, such as `000-v2-anonymous`.
    pub name: String,
    /// The remarks before the request: what it is, which node, how long it took.
    pub remarks: Vec<String>,
    pub method: String,
    pub target: String,
    pub request_headers: Vec<(String, String)>,
    pub request_body: Vec<u8>,
    /// `None` where no answer came.
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    /// As recorded; possibly left out, cut or encoded, as the remarks say.
    pub body: Vec<u8>,
}

/// Where the recordings lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/harbor-2.9.5")
}

impl Recording {
    /// All of them, in the order they were made.
    pub fn all() -> Vec<Self> {
        let mut files = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "http"))
            .collect::<Vec<_>>();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// One by the beginning of its name, such as `000`.
    pub fn named(name: &str) -> Self {
        let mut found = Self::all()
            .into_iter()
            .filter(|one| one.name.starts_with(name));
        found
            .next()
            .unwrap_or_else(|| panic!("no recording begins with {name}"))
    }

    fn read(file: &Path) -> Self {
        let bytes = std::fs::read(file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        Self::parse(name, &bytes).unwrap_or_else(|what| panic!("{}: {what}", file.display()))
    }

    fn parse(name: String, bytes: &[u8]) -> Result<Self, &'static str> {
        let (remarks, rest) = split(bytes, b">>> request\n").ok_or("no request")?;
        // The newline before the marker may belong to the body: its length tells.
        let marker = b"\n<<< response\n";
        let (before, response) = split(rest, marker).ok_or("no response")?;
        let request = &rest[..=before.len()];
        let (first, request_headers, request_body) = message(request)?;
        let mut words = first.split(' ');
        let method = words.next().ok_or("no method")?.to_owned();
        let target = words.next().ok_or("no target")?.to_owned();
        let (status, headers, body) = match message(response) {
            Ok((first, headers, body)) if first.starts_with("HTTP/") => {
                let status = first
                    .split(' ')
                    .nth(1)
                    .and_then(|status| status.parse().ok());
                (Some(status.ok_or("no status")?), headers, body)
            }
            _ => (None, Vec::new(), Vec::new()),
        };
        let remarks = String::from_utf8_lossy(remarks);
        Ok(Self {
            name,
            remarks: remarks
                .lines()
                .map(|line| line.trim_start_matches("# ").to_owned())
                .collect(),
            method,
            target,
            request_body: trimmed(request_body, &request_headers),
            request_headers,
            status,
            body: trimmed(body, &headers),
            headers,
        })
    }

    /// The first value of a header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The first value of a header of the request.
    pub fn request_header(&self, name: &str) -> Option<&str> {
        header(&self.request_headers, name)
    }

    /// Whether a remark says this.
    pub fn remarks_say(&self, what: &str) -> bool {
        self.remarks.iter().any(|remark| remark.contains(what))
    }

    /// The code of a refusal in the registry's form; empty without one.
    pub fn error_code(&self) -> String {
        let json = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        json["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

type Message = (String, Vec<(String, String)>, Vec<u8>);

fn message(bytes: &[u8]) -> Result<Message, &'static str> {
    let (head, body) = split(bytes, b"\n\n").unwrap_or((bytes, b""));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let first = lines.next().ok_or("no first line")?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Ok((first, headers, body.to_vec()))
}

/// Takes away the newline that was added at the end of the file.
fn trimmed(mut body: Vec<u8>, headers: &[(String, String)]) -> Vec<u8> {
    if let Some(length) = header(headers, "content-length").and_then(|text| text.parse().ok()) {
        body.truncate(length);
    }
    body
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let found = headers
        .iter()
        .find(|(had, _)| had.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let start = super::http::answer::find(bytes, at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}
