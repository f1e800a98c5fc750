//! A small provider of single sign-on: whoever comes is logged in as the administrator and sent back.

use std::sync::Mutex;

use super::ports;
use super::recorder::{Recorder, answer};

/// Starts a provider at this address. Each code it hands out is good once.
pub async fn start(host: std::net::Ipv4Addr) -> Recorder {
    let codes = Mutex::<Vec<String>>::default();
    Recorder::start(ports::free(host), move |request| {
        let mut codes = codes.lock().unwrap();
        if let Some(query) = request.target.strip_prefix("/authorize?") {
            let value = |wanted: &str| {
                let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let found = pairs.find(|(name, _)| *name == wanted);
                found.map_or("", |(_, value)| value).to_owned()
            };
            let code = format!("code-{}", codes.len());
            let back = value("redirect_uri")
                .replace("%3A", ":")
                .replace("%2F", "/");
            let location = format!("{back}?code={code}&state={}", value("state"));
            codes.push(code);
            return answer(302, &[("Location", &location)], "");
        }
        let content = String::from_utf8(request.content()).unwrap();
        let sent = content.strip_prefix("code=").unwrap_or_default();
        match codes.iter_mut().find(|code| *code == sent) {
            Some(code) if request.target == "/token" => {
                code.clear();
                let json = [("Content-Type", "application/json")];
                answer(200, &json, "{\"username\":\"admin\"}")
            }
            _ => answer(400, &[], ""),
        }
    })
    .await
}
