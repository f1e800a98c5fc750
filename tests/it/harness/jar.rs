//! What a browser keeps of answers, and shows with its requests: cookies, and the token against forged requests.

use std::collections::BTreeMap;

use super::http::Request;
use super::http::answer::Answer;

/// The cookies of one browser.
#[derive(Debug, Default)]
pub struct Jar {
    pub cookies: BTreeMap<String, String>,
    csrf: String,
}

impl Jar {
    /// A request as this browser makes it.
    #[must_use]
    pub fn dress(&self, mut request: Request) -> Request {
        let cookies = self.cookies.iter();
        let cookies = cookies.map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies);
        }
        if request.method != "GET" && !self.csrf.is_empty() {
            request = request.header("X-Harbor-CSRF-Token", &self.csrf);
        }
        request
    }

    /// Keeps what an answer sets, and throws away what it ends.
    pub fn keep(&mut self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let (pair, rest) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() || rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(token) = answer.header("x-harbor-csrf-token") {
            token.clone_into(&mut self.csrf);
        }
    }
}
