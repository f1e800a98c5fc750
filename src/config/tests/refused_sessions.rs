//! What is refused about the logins of browsers, with the words.

use super::*;
use crate::affinity::settings::SessionMode;

fn problems(text: &str) -> Vec<String> {
    let text = format!("{MINIMAL}\n[sessions]\n{text}");
    let all = load(&text).unwrap_err();
    all.iter()
        .map(|problem| format!("{}: {}; {}", problem.key, problem.what, problem.hint))
        .collect()
}

#[test]
fn a_mode_is_one_of_two_words() {
    assert_eq!(
        problems("mode = \"sticky\""),
        ["sessions.mode: \"sticky\" is not one of its values; write \"shared\" or \"pinned\""]
    );
    let text = format!("{MINIMAL}\n[sessions]\nmode = \"pinned\"\nown_cookie = \"stay\"");
    let settings = load(&text).unwrap();
    let told =
        "keeps browsers on the node that logged them in, by their cookie sid or beegosessionID";
    assert!(settings.summary().iter().any(|line| line == told));
    let sessions = settings.sessions;
    assert_eq!(sessions.mode, SessionMode::Pinned);
    assert_eq!(sessions.own_cookie.as_deref(), Some("stay"));
    assert_eq!(sessions.cookies, ["sid", "beegosessionID"]);
}

#[test]
fn cookies_have_names_of_their_own() {
    assert_eq!(
        problems("cookies = []"),
        ["sessions.cookies: is empty; \
          write the names of Harbor's session cookie: [\"sid\", \"beegosessionID\"]"]
    );
    assert_eq!(
        problems("cookies = [\"a b\", \"sid\", \"sid\"]"),
        [
            "sessions.cookies[3]: \"sid\" is the same as sessions.cookies[2]; \
             write each name once",
            "sessions.cookies[1]: \"a b\" is not the name of a cookie; \
             write a name such as \"sid\"",
        ]
    );
    assert_eq!(
        problems("own_cookie = \"sid\""),
        ["sessions.own_cookie: \"sid\" is a cookie of the nodes; \
          write a name of its own, such as \"pilotage\""]
    );
    assert_eq!(
        problems("own_cookie = \"a;b\"\nlifetime = \"0s\""),
        [
            "sessions.own_cookie: \"a;b\" is not the name of a cookie; \
             write a name such as \"sid\"",
            "sessions.lifetime: is zero; write a longer time, such as \"30s\"",
        ]
    );
}
