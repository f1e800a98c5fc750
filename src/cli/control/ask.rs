//! A question to the admin listener of the process that runs by a configuration.

use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use rustls::StreamOwned;

use crate::control::access::first_token;
use crate::control::settings::AdminSettings;
use crate::edge::tls::read_chain;

use super::pinned;

/// The admin listener, and what it has to be shown.
pub(in crate::cli) struct Desk {
    address: SocketAddr,
    token: Option<String>,
    /// The certificate that it serves, where it speaks TLS.
    chain_file: Option<PathBuf>,
    patience: Duration,
}

/// What it said.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) body: String,
}

impl Answer {
    pub(in crate::cli) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Desk {
    /// Where the process of these settings is asked, with the first of its tokens if it wants one.
    pub(in crate::cli) fn of(settings: &AdminSettings) -> Result<Self, String> {
        let token = settings.token_file.as_ref().map(|path| {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
            let token = first_token(&text).map(str::to_owned);
            token.ok_or_else(|| format!("{}: holds no token", path.display()))
        });
        Ok(Self {
            token: token.transpose()?,
            patience: PATIENCE,
            ..Self::without_token(settings)
        })
    }

    /// The same for a question that needs no credential and is answered at once.
    pub(in crate::cli) fn without_token(settings: &AdminSettings) -> Self {
        Self {
            address: reachable(settings.address),
            token: None,
            chain_file: settings
                .tls
                .as_ref()
                .map(|tls| tls.certificate.chain_file.clone()),
            patience: CONNECT,
        }
    }

    /// Asks, and waits for the whole answer.
    pub(in crate::cli) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, String> {
        let request = self.request(method, path, body);
        let answer = self.exchange(&request).map_err(|error| {
            let address = self.address;
            format!("{address}: {error}; is pilotage running with this configuration?")
        })?;
        parse(&answer).ok_or_else(|| format!("{}: answers, but not as pilotage does", self.address))
    }

    fn request(&self, method: &str, path: &str, body: Option<&str>) -> String {
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            format!("Host: {}", self.address),
            "Connection: close".to_owned(),
        ];
        lines.extend(
            self.token
                .iter()
                .map(|token| format!("Authorization: Bearer {token}")),
        );
        if let Some(body) = body {
            lines.push("Content-Type: application/json".to_owned());
            lines.push(format!("Content-Length: {}", body.len()));
        }
        format!("{}\r\n\r\n{}", lines.join("\r\n"), body.unwrap_or_default())
    }

    fn exchange(&self, request: &str) -> io::Result<String> {
        let stream = TcpStream::connect_timeout(&self.address, CONNECT)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let Some(chain_file) = &self.chain_file else {
            return ask_through(stream, request);
        };
        let chain = read_chain(chain_file).map_err(io::Error::other)?;
        let session = pinned::session(chain, self.address.ip())?;
        ask_through(StreamOwned::new(session, stream), request)
    }
}

fn ask_through(mut stream: impl io::Read + io::Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(LONGEST).read_to_end(&mut answer) {
        // An end without farewell; whether it came whole is seen by its length.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        other => drop(other?),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A process that listens everywhere is asked on the machine itself.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}

/// A path may have any name in it that an operator types.
pub(super) fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let escape = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(escape).collect()
}

/// Less than the shortest time that container engines give a check.
const CONNECT: Duration = Duration::from_secs(3);
/// A reload resolves names, which may take some seconds for each.
const PATIENCE: Duration = Duration::from_secs(70);
/// The longest answer tells of a thousand requests.
const LONGEST: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nstopping\n";
        let answer = parse(text).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "stopping\n"));
        assert!(!answer.is_good());
        assert!(parse("HTTP/1.1 200 OK\r\n\r\n").unwrap().is_good());
        assert_eq!(parse("SSH-2.0-x\r\n\r\n"), None);
        assert_eq!(parse("HTTP/1.1"), None);
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path() {
        assert_eq!(escaped("harbor-1.a_b"), "harbor-1.a_b");
        assert_eq!(escaped("a/../b?c\r\n"), "a%2F..%2Fb%3Fc%0D%0A");
    }

    #[test]
    fn whoever_listens_everywhere_is_asked_on_the_machine() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(asked("[::]:9090"), "[::1]:9090");
        assert_eq!(asked("10.0.0.1:9090"), "10.0.0.1:9090");
    }
}
