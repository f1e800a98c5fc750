use proptest::prelude::*;

use super::*;

const LIFETIME: Duration = Duration::from_hours(24);
const NONCE: [u8; 12] = [9; 12];

fn sealer(keys: &[u8]) -> Sealer {
    Sealer::new(keys.iter().map(|byte| Key::from([*byte; 32])).collect()).unwrap()
}

fn repository(name: &str) -> RepositoryName {
    RepositoryName::parse(name).unwrap()
}

fn session(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

fn upload() -> Upload {
    Upload {
        repository: repository("lab/app"),
        session: session("0f3c"),
        node: NodeId::parse("harbor-2").unwrap(),
        location: "/v2/lab/app/blobs/uploads/77?_state=secret%3D".into(),
        offset: 4096,
        issued: 1_700_000_000,
    }
}

fn open(sealer: &Sealer, token: &str, now: u64) -> Result<Upload, TokenError> {
    let upload = upload();
    sealer.open(token, &upload.repository, &upload.session, now, LIFETIME)
}

#[test]
fn a_token_is_good_for_its_lifetime() {
    let sealer = sealer(&[1]);
    let token = sealer.seal(&upload(), NONCE);
    let end = 1_700_000_000 + LIFETIME.as_secs();
    assert_eq!(open(&sealer, &token, 1_700_000_000), Ok(upload()));
    assert_eq!(open(&sealer, &token, end), Ok(upload()));
    assert_eq!(open(&sealer, &token, end + 1), Err(TokenError::Expired));
}

#[test]
fn a_token_of_a_balancer_whose_clock_is_ahead_is_good() {
    let sealer = sealer(&[1]);
    let token = sealer.seal(&upload(), NONCE);
    assert_eq!(open(&sealer, &token, 1_600_000_000), Ok(upload()));
}

#[test]
fn a_token_is_worthless_for_another_upload() {
    let sealer = sealer(&[1]);
    let token = sealer.seal(&upload(), NONCE);
    for (name, id) in [("lab/app", "0f3d"), ("lab/ap", "0f3c"), ("lab/app0", "f3c")] {
        let opened = sealer.open(&token, &repository(name), &session(id), 0, LIFETIME);
        assert_eq!(opened, Err(TokenError::Foreign), "{name} {id}");
    }
}

#[test]
fn an_old_key_opens_while_it_is_listed_and_not_afterwards() {
    let token = sealer(&[1]).seal(&upload(), NONCE);
    assert_eq!(open(&sealer(&[2, 1]), &token, 0), Ok(upload()));
    assert_eq!(open(&sealer(&[3, 2, 1]), &token, 0), Ok(upload()));
    assert_eq!(open(&sealer(&[3, 2]), &token, 0), Err(TokenError::Forged));
}

#[test]
fn a_derived_key_belongs_to_its_purpose_and_the_newest_key() {
    let tag = |keys: &[u8], purpose: &str| {
        let keys = keys.iter().map(|byte| Key::from([*byte; 32])).collect();
        let key = Sealer::new(keys).unwrap().derive(purpose);
        hmac::sign(&key, b"x").as_ref().to_vec()
    };
    assert_eq!(tag(&[1, 2], "guard"), tag(&[1], "guard"));
    assert_ne!(tag(&[1], "guard"), tag(&[1], "other"));
    assert_ne!(tag(&[1], "guard"), tag(&[2], "guard"));
}

#[test]
fn the_newest_key_seals() {
    let token = sealer(&[2, 1]).seal(&upload(), NONCE);
    assert_eq!(open(&sealer(&[2]), &token, 0), Ok(upload()));
    assert_eq!(open(&sealer(&[1]), &token, 0), Err(TokenError::Forged));
}

#[test]
fn keys_with_the_same_hint_are_all_tried() {
    let hint = |byte: u8| SealingKey::new(&Key::from([byte; 32])).hint;
    let mut pairs = (0..=255).flat_map(|a| (0..a).map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| hint(*a) == hint(*b)).unwrap();
    let token = sealer(&[b]).seal(&upload(), NONCE);
    assert_eq!(open(&sealer(&[a, b]), &token, 0), Ok(upload()));
}

#[test]
fn what_is_no_token_is_malformed() {
    let sealer = sealer(&[1]);
    let long = "A".repeat(MAX_TOKEN + 1);
    let version = URL_SAFE_NO_PAD.encode([2; 80]);
    for text in ["", "A", "....", "AQ", "ä", &"A".repeat(39), &long, &version] {
        assert_eq!(open(&sealer, text, 0), Err(TokenError::Malformed), "{text}");
    }
}

#[test]
fn the_shortest_sealed_part_is_forged_and_no_panic() {
    let sealer = sealer(&[1]);
    let mut bytes = URL_SAFE_NO_PAD
        .decode(sealer.seal(&upload(), NONCE))
        .unwrap();
    while bytes.len() > HEADER_LEN + NONCE_LEN {
        bytes.pop();
        let opened = open(&sealer, &URL_SAFE_NO_PAD.encode(&bytes), 0);
        assert_eq!(opened, Err(TokenError::Forged), "{}", bytes.len());
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let sealer = sealer(&[1]);
    let bytes = URL_SAFE_NO_PAD
        .decode(sealer.seal(&upload(), NONCE))
        .unwrap();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[index] ^= 1 << bit;
            let expected = if index == 0 {
                TokenError::Malformed
            } else {
                TokenError::Forged
            };
            let opened = open(&sealer, &URL_SAFE_NO_PAD.encode(altered), 0);
            assert_eq!(opened, Err(expected), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn every_other_spelling_is_refused() {
    let sealer = sealer(&[1]);
    let token = sealer.seal(&upload(), NONCE);
    for other in [
        format!("{token}="),
        format!(" {token}"),
        token.replace('_', "/") + "A",
    ] {
        assert!(open(&sealer, &other, 0).is_err(), "{other}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let token = sealer(&[65]).seal(&upload(), NONCE);
    assert!(!token.contains("secret") && !token.contains("harbor"));
    let shown = format!("{:?} {:?}", sealer(&[65, 66]), upload());
    assert!(!shown.contains("secret") && !shown.contains("_state") && !shown.contains("65"));
    assert!(shown.contains("harbor-2"));
}

#[test]
fn a_sealer_needs_a_key() {
    assert!(matches!(Sealer::new(Vec::new()), Err(KeyError::Missing)));
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(
        name in "[a-z]{1,20}/[a-z0-9]{1,20}", id in "[a-zA-Z0-9-]{1,64}",
        node in "[a-z0-9._-]{1,63}", location in "\\PC{0,300}", issued: u64, offset: u64, nonce: [u8; 12],
    ) {
        let upload = Upload {
            repository: repository(&name),
            session: session(&id),
            node: NodeId::parse(&node).unwrap(),
            location,
            issued,
            offset,
        };
        let sealer = sealer(&[5, 4]);
        let token = sealer.seal(&upload, nonce);
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        let (repository, session) = (&upload.repository, &upload.session);
        let opened = sealer.open(&token, repository, session, issued, LIFETIME);
        prop_assert_eq!(opened, Ok(upload));
    }

    #[test]
    fn no_text_opens(text in "[A-Za-z0-9_-]{0,200}") {
        prop_assert!(open(&sealer(&[1]), &text, 0).is_err());
    }
}
