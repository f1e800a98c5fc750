//! Names, addresses, nodes and listeners that are refused, with the words.

use super::*;

#[test]
fn public_names_are_hosts() {
    let one = |name: &str| with_line(2, &format!("names = [\"{name}\"]")).join("\n");
    let host = "write a host or host:port, such as \"registry.example.com\"";
    assert_eq!(
        with_line(2, "names = []"),
        ["line 2: public.names: is empty; \
        write the name clients use, such as names = [\"registry.example.com\"]"]
    );
    assert_eq!(
        one(""),
        format!("line 2: public.names[1]: is empty; {host}")
    );
    assert_eq!(
        one("a.b/c"),
        "line 2: public.names[1]: \"a.b/c\" has a path; write \"a.b\""
    );
    assert_eq!(
        one("A.b"),
        "line 2: public.names[1]: \"A.b\" has upper-case letters; write \"a.b\""
    );
    assert_eq!(
        one("*.b"),
        format!("line 2: public.names[1]: \"*.b\" is not a host name; {host}")
    );
    assert_eq!(
        one("a\", \"a"),
        "line 2: public.names[2]: \"a\" is the same as public.names[1]; \
        write each name once"
    );
    let text =
        "names = [\"a\"]\ntrusted_proxies = [\"10.0.0.1\", \"lan\"]\nlocation = \"relative\"";
    assert_eq!(
        with_line(2, text),
        [
            "line 3: public.trusted_proxies[1]: \"10.0.0.1\" is not a network; \
             write \"10.0.0.1/32\"",
            "line 3: public.trusted_proxies[2]: \"lan\" is not a network; \
         write an address and a length, such as \"10.0.0.0/8\"",
            "line 4: public.location: \"relative\" is not one of its values; \
         write \"absolute\" or \"path\"",
        ]
    );
}

#[test]
fn a_node_url_is_scheme_and_authority() {
    let url = |url: &str| with_line(8, &format!("url = \"{url}\"")).join("\n");
    for (text, expected) in [
        (
            "",
            "\"\" has no scheme; write a url such as \"http://10.0.0.11\"",
        ),
        (
            "tcp://a",
            "\"tcp\" is not a scheme that nodes are spoken to with; write http:// or https://",
        ),
        (
            "https://a/",
            "\"https://a/\" has a path; write \"https://a\"",
        ),
        (
            "http://a:8080/v2/",
            "\"http://a:8080/v2/\" has a path; write \"http://a:8080\"",
        ),
        (
            "http://a?b",
            "\"http://a?b\" has a query; write \"http://a\"",
        ),
        (
            "http://::1",
            "\"::1\" is an IPv6 address without brackets; write \"http://[::1]\"",
        ),
        (
            "http://",
            "is empty; write a url such as \"http://10.0.0.11\"",
        ),
        (
            "http://admin:hunter2@a",
            "holds user info; \
             take it out: nodes see the client's own credentials, and this file holds none",
        ),
    ] {
        assert_eq!(url(text), format!("line 8: node[1].url: {expected}"));
    }
}

#[test]
fn a_node_is_described_once_and_verified_one_way() {
    let fingerprint = "ab".repeat(32);
    assert_eq!(
        with_line(7, "name = \"Harbor 1\""),
        ["line 7: node[1].name: \
        \"Harbor 1\" is not a name for a node; \
        write 1 to 63 of a-z, 0-9, '-', '_' and '.', such as \"harbor-1\""]
    );
    let no_tls = "says how to verify a node that is spoken to without TLS; \
                  write an https url, or take this key out";
    assert_eq!(
        only_problem("ca_file = \"/ca.pem\""),
        format!("line 9: node[1].ca_file: {no_tls}")
    );
    assert_eq!(
        only_problem("verify_name = \"x\""),
        format!("line 9: node[1].verify_name: {no_tls}")
    );
    each_is_refused(&[
        (
            "weight = 0",
            "line 9: node[1].weight: 0 is out of bounds; write a number from 1 to 1000",
        ),
        (
            "weight = 1001",
            "line 9: node[1].weight: 1001 is out of bounds; write a number from 1 to 1000",
        ),
        (
            "names = [\"http://x\"]",
            "line 9: node[1].names[1]: \"http://x\" has a scheme; write \"x\"",
        ),
        (
            "[[node]]\nname = \"harbor-1\"\nurl = \"http://10.0.0.12\"",
            "line 10: node[2].name: \"harbor-1\" is the same as node[1].name; \
             write a name of its own for each node",
        ),
        (
            "[[node]]\nname = \"harbor-2\"\nurl = \"http://10.0.0.11:80\"",
            "line 11: node[2].url: \"http://10.0.0.11:80\" is the same as node[1].url; \
             write each node once; weight says how much it gets",
        ),
    ]);
    let https = |more: &str| with_line(8, &format!("url = \"https://a\"\n{more}")).join("\n");
    assert_eq!(
        https(&format!(
            "ca_file = \"/ca.pem\"\nfingerprint = \"{fingerprint}\""
        )),
        "line 10: node[1].fingerprint: is given beside ca_file, and only one of them can decide; \
         keep one of the two"
    );
    for wrong in ["ab:cd", &fingerprint[1..], &fingerprint.replace('a', "g")] {
        assert_eq!(
            https(&format!("fingerprint = \"{wrong}\"")),
            format!(
                "line 9: node[1].fingerprint: \"{wrong}\" is not a SHA-256 fingerprint; \
             write 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` prints them"
            )
        );
    }
    assert_eq!(
        https("verify_name = \"a:443\""),
        "line 9: node[1].verify_name: \
        \"a:443\" is not a host name; \
        write a name or IP address that stands in the certificate, without port"
    );
}

#[test]
fn listeners_do_not_collide_and_serve_something() {
    let listener = "[[listener]]\naddress = \"[::]:443\"\n";
    let one = |lines: &str| only_problem(&format!("{listener}{lines}"));
    each_is_refused(&[
        (
            "[[listener]]\naddress = \":443\"",
            "line 10: listener[1].address: \":443\" is not an address; \
             write \"[::]:443\" for all addresses",
        ),
        (
            "[[listener]]\naddress = \"a\"",
            "line 10: listener[1].address: \"a\" is not an address; \
             write an IP address and a port, such as \"[::]:443\"",
        ),
        (
            "[[listener]]\naddress = \"[::]:80\"\nprotocol = \"redirect\"",
            "line 9: listener: serves no https, so no client can push or pull; \
             write a [[listener]] with protocol = \"https\"",
        ),
    ]);
    for (lines, expected) in [
        (
            "protocol = \"http\"",
            "line 11: listener[1].protocol: \"http\" is not one of its values; \
             write \"https\" or \"redirect\"",
        ),
        (
            "minimum_tls = \"1.1\"",
            "line 11: listener[1].minimum_tls: \"1.1\" is not one of its values; \
             write \"1.2\" or \"1.3\"",
        ),
        (
            "client_certificate = \"yes\"",
            "line 11: listener[1].client_certificate: \"yes\" is not one of its values; \
             write \"ignored\" or \"optional\" or \"required\"",
        ),
        (
            "client_certificate = \"required\"",
            "line 9: listener[1].client_ca_file: is missing: client certificates are checked \
             against it; write client_ca_file = \"/etc/pilotage/tls/clients.pem\"",
        ),
        (
            "client_ca_file = \"/x\"",
            "line 11: listener[1].client_ca_file: has no effect while client certificates are \
             ignored; write client_certificate = \"optional\" or \"required\", or take it out",
        ),
        (
            "[[listener]]\naddress = \"[::]:443\"",
            "line 12: listener[2].address: \"[::]:443\" is the same as listener[1].address; \
             write another port or address",
        ),
    ] {
        assert_eq!(one(lines), expected);
    }
    let bare = MINIMAL
        .replace("[[tls.certificate]]", "[tls]")
        .replace("chain_file", "recheck");
    assert!(
        problems(&bare)
            .iter()
            .any(|problem| problem.contains("there is no certificate"))
    );
}

#[test]
fn a_redirect_listener_knows_no_tls() {
    let redirect = "has no meaning on a redirect listener, which is plain HTTP; \
                    take it out, or write protocol = \"https\"";
    let listeners = "[[listener]]\n[[listener]]\naddress = \"[::]:80\"\nprotocol = \"redirect\"\n";
    for (key, line) in [
        ("minimum_tls", "minimum_tls = \"1.2\""),
        ("http2", "http2 = true"),
    ] {
        let expected = format!("line 13: listener[2].{key}: {redirect}");
        assert_eq!(only_problem(&format!("{listeners}{line}")), expected);
    }
}

#[test]
fn the_admin_listener_stays_on_the_machine_and_out_of_the_way() {
    each_is_refused(&[
        (
            "[admin]\naddress = \"localhost:9090\"",
            "line 10: admin.address: \"localhost:9090\" is not an address; \
             write \"127.0.0.1:9090\" or \"[::1]:9090\"",
        ),
        (
            "[admin]\naddress = \"10.0.0.1:9090\"",
            "line 10: admin.address: 10.0.0.1:9090 can be reached by others, and it asks for no \
             password; set admin.token_file, or write \"127.0.0.1:9090\" or \"[::1]:9090\"",
        ),
        (
            "[admin]\nclient_ca_file = \"/ca.pem\"",
            "line 10: admin.client_ca_file: needs a certificate of our own: without TLS nobody shows \
             one; set admin.chain_file and admin.key_file",
        ),
        (
            "[admin]\nchain_file = \"/c.pem\"",
            "line 9: admin.key_file: is empty; write a path that starts with /",
        ),
        (
            "[admin]\nrequests = -1",
            "line 10: admin.requests: -1 is out of bounds; write a number from 0 to 100000",
        ),
        (
            "[admin]\naddress = \"127.0.0.1:443\"",
            "line 10: admin.address: 127.0.0.1:443 is taken by the listener on [::]:443; \
             write another port",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:9090\"",
            "admin.address: 127.0.0.1:9090 is taken by the listener on 127.0.0.1:9090; \
             write another port",
        ),
    ]);
}

#[test]
fn the_socket_for_upgrades_has_a_short_and_whole_path() {
    let long = format!("[upgrade]\nsocket = \"/{}\"", "x".repeat(90));
    assert_eq!(
        only_problem(&long),
        "line 10: upgrade.socket: is longer than the 90 bytes that the system allows; \
         write a shorter path"
    );
    let relative = only_problem("[upgrade]\nsocket = \"upgrade.sock\"");
    assert!(
        relative.starts_with("line 10: upgrade.socket: "),
        "{relative}"
    );
    let wordy = only_problem("[upgrade]\ngrace_period = \"a day\"");
    assert!(
        wordy.starts_with("line 10: upgrade.grace_period: "),
        "{wordy}"
    );
}
