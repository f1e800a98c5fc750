//! The files in `conf` are good, and the reference is the truth.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::*;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conf")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Every key of a text with its value as written; of repeated sections the first.
fn written(text: &str) -> BTreeMap<String, String> {
    fn walk(prefix: &str, table: &DeTable<'_>, text: &str, found: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            let deeper = match value.get_ref() {
                DeValue::Table(table) => Some(table),
                DeValue::Array(list) => list.iter().next().and_then(|one| one.get_ref().as_table()),
                _ => None,
            };
            match deeper {
                Some(table) => walk(&format!("{path}."), table, text, found),
                None => {
                    found.insert(path, text[value.span()].to_owned());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(
        "",
        DeTable::parse(text).unwrap().get_ref(),
        text,
        &mut found,
    );
    found
}

#[test]
fn every_shipped_file_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            assert_eq!(read(&path).err(), None, "{}", path.display());
            names.push(path.file_name().unwrap().to_owned());
        }
    }
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn the_reference_is_a_minimal_file_with_the_defaults_spelled_out() {
    let mut reference = load(&shipped("reference.toml")).unwrap();
    let minimal = load(MINIMAL).unwrap();
    // Written listeners replace the usual two, of which the reference shows the first in full.
    assert_eq!(reference.listeners, minimal.listeners[..1]);
    reference.listeners = minimal.listeners.clone();
    assert_eq!(reference, minimal);
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let text = shipped("reference.toml");
    let written = written(&text);
    let known: BTreeMap<_, _> = known_keys()
        .into_iter()
        .map(|key| (key.path, key.default))
        .collect();
    let paths = |keys: &BTreeMap<String, _>| keys.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&known), written.keys().cloned().collect::<Vec<_>>());
    for (path, default) in known {
        if let Some(default) = default {
            assert_eq!(default, written[&path].replace('_', ""), "{path}");
        }
    }
}

#[test]
fn every_key_of_the_reference_says_why() {
    let text = shipped("reference.toml");
    let lines: Vec<_> = text.lines().collect();
    for pair in lines.windows(2) {
        let is_key = pair[1].contains(" = ") && !pair[1].starts_with('#');
        assert!(!is_key || pair[0].starts_with("# "), "{}", pair[1]);
    }
}

#[test]
fn only_what_cannot_be_guessed_is_required() {
    let required: Vec<_> = known_keys()
        .into_iter()
        .filter(|key| key.default.is_none())
        .map(|key| key.path)
        .collect();
    let expected = [
        "public.names",
        "tls.certificate.chain_file",
        "tls.certificate.key_file",
        "node.name",
        "node.url",
    ];
    assert_eq!(required, expected);
}

#[test]
fn the_single_registry_is_asked_as_a_plain_one() {
    let settings = load(&shipped("single.toml")).unwrap();
    assert_eq!(settings.probe.kind, ProbeKind::Registry);
    assert_eq!(settings.nodes.len(), 1);
}

#[test]
fn harbor_has_three_nodes() {
    let settings = load(&shipped("harbor.toml")).unwrap();
    assert_eq!(settings.probe.kind, ProbeKind::Harbor);
    assert_eq!(settings.nodes.len(), 3);
}
