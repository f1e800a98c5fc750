//! RSA keys that sign tokens as Harbor does: RS256, named by `kid` in libtrust's form or
//! accompanied by `x5c`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{self, KeyPair, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

/// A key pair with a self-signed certificate, as files: Harbor's `private_key.pem` and `root.crt`.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    pub key: PathBuf,
    pub certificate: PathBuf,
}

impl KeyFiles {
    /// Makes a new pair in `folder`.
    pub fn generate(folder: &Path, name: &str) -> Self {
        let files = Self {
            key: folder.join(format!("{name}.key")),
            certificate: folder.join(format!("{name}.crt")),
        };
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            ])
            .args(["-subj", "/CN=harbor-token-issuer", "-keyout"])
            .arg(&files.key)
            .arg("-out")
            .arg(&files.certificate)
            .output()
            .expect("openssl can be started");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        files
    }

    /// The pair that nodes share, copied to `folder`: made once for all tests of this process.
    pub fn shared(folder: &Path) -> Self {
        static MADE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
        let (key, certificate) = MADE.get_or_init(|| {
            let scratch = tempfile::tempdir().unwrap();
            let made = Self::generate(scratch.path(), "shared");
            (
                std::fs::read(made.key).unwrap(),
                std::fs::read(made.certificate).unwrap(),
            )
        });
        let files = Self {
            key: folder.join("token.key"),
            certificate: folder.join("token.crt"),
        };
        std::fs::write(&files.key, key).unwrap();
        std::fs::write(&files.certificate, certificate).unwrap();
        files
    }
}

/// How a token says which key signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum KeyName {
    Kid,
    X5c,
}

/// Signs tokens and checks them with the public half of the same key, as each core does with its
/// own.
#[derive(Debug)]
pub struct Signer {
    pair: RsaKeyPair,
    header: Value,
}

impl Signer {
    /// Reads the files of [`KeyFiles`].
    pub fn read(key: &Path, certificate: &Path, name: KeyName) -> Self {
        let pair = RsaKeyPair::from_pkcs8(&pem_content(key)).expect("an RSA key in PKCS#8");
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        match name {
            KeyName::Kid => header["kid"] = json!(libtrust_id(pair.public_key().as_ref())),
            KeyName::X5c => header["x5c"] = json!([STANDARD.encode(pem_content(certificate))]),
        }
        Self { pair, header }
    }

    /// The compact form of a signed token.
    pub fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&self.header), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a token that this very key signed; it does not look at its times.
    pub fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = self.pair.public_key().as_ref();
        UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// The first block of a PEM file, decoded.
fn pem_content(file: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let body = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect::<String>();
    STANDARD.decode(body).unwrap()
}

/// libtrust's name of a key: SHA-256 over the DER of the public key, 30 bytes of it in base32, in
/// groups of four.
fn libtrust_id(public_pkcs1: &[u8]) -> String {
    const RSA_ENCRYPTION: [u8; 15] = [
        0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
    ];
    let mut bits = vec![0];
    bits.extend_from_slice(public_pkcs1);
    let mut inner = RSA_ENCRYPTION.to_vec();
    inner.extend(der(3, &bits));
    let digest = ring::digest::digest(&ring::digest::SHA256, &der(0x30, &inner));
    let groups = digest.as_ref()[..30]
        .chunks(5)
        .flat_map(base32)
        .collect::<Vec<char>>();
    groups
        .chunks(4)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .join(":")
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[content.len().leading_zeros() as usize / 8..];
    let mut out = vec![tag];
    if content.len() < 128 {
        out.push(content.len() as u8);
    } else {
        out.push(0x80 | digits.len() as u8);
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(content);
    out
}

/// Five bytes as eight letters.
fn base32(five: &[u8]) -> [char; 8] {
    let bits = five
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    std::array::from_fn(|letter| {
        let value = (bits >> (35 - 5 * letter) & 31) as u8;
        char::from(if value < 26 {
            b'A' + value
        } else {
            b'2' + value - 26
        })
    })
}
