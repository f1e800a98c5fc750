//! What to say of a key that nobody asked for.

/// What is wrong with it and what to write instead. `asked` are the keys of its section, `at_top` those that stand
/// above all sections; in the outermost table there is no such difference, and the latter is empty.
pub(super) fn stray(name: &str, asked: &[&str], at_top: &[&str]) -> (&'static str, String) {
    if at_top.contains(&name) {
        let hint = "write it above the first [section], where nothing stands in brackets yet";
        return ("belongs to no section", hint.to_owned());
    }
    let likeness = |known: &&&str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let nearest = asked
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|known| likeness(known) >= LIKE_ENOUGH) {
        Some(known) => format!("write {known}"),
        None => format!("take it out; the keys here are {}", asked.join(", ")),
    };
    ("is not a known key", hint)
}

/// Below this likeness (0 to 1) two words have nothing to do with each other.
const LIKE_ENOUGH: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_key_is_named_and_else_all_of_them() {
        let asked = ["connections", "header_size"];
        let hint = |name| stray(name, &asked, &[]).1;
        assert_eq!(hint("conections"), "write connections");
        assert_eq!(
            hint("colour"),
            "take it out; the keys here are connections, header_size"
        );
    }

    #[test]
    fn a_key_of_the_top_is_sent_there() {
        let (what, hint) = stray("grace_period", &["folder"], &["threads", "grace_period"]);
        assert_eq!(what, "belongs to no section");
        assert!(hint.starts_with("write it above"), "{hint}");
    }
}
