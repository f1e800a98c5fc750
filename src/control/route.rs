//! Which question a path and a method are.

use http::Method;

/// One question, or one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Live,
    Ready,
    Numbers,
    Nodes,
    Node(String),
    Drain(String),
    Undrain(String),
    Off(String),
    On(String),
    Weigh(String),
    Maintenance,
    SetMaintenance,
    Requests,
    Request(String),
    Transfers,
    Reload,
    Log,
    SetLog,
    OpenApi,
    Page(Piece),
}

/// A piece of the page for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    Document,
    Style,
    Script,
    Icon,
    /// What changes while somebody looks.
    Events,
}

/// What keeps a path and a method from being a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    NoSuchPage,
    /// The page knows these methods.
    Method(Vec<&'static str>),
}

/// A method, and what it means with the name in the path.
type Meaning = (&'static str, fn(&str) -> Ask);

/// A path, where `{}` stands for a name, with what each method means there.
struct Row(&'static str, &'static [Meaning]);

impl Ask {
    /// Reads a method and a path without its query.
    pub fn parse(method: &Method, path: &str) -> Result<Self, Unfit> {
        let found = ROUTES
            .iter()
            .chain(PAGE)
            .find_map(|row| Some((row, fits(row.0, path)?)));
        let (Row(_, meanings), name) = found.ok_or(Unfit::NoSuchPage)?;
        let method = if *method == Method::HEAD {
            Method::GET.as_str()
        } else {
            method.as_str()
        };
        match meanings.iter().find(|(known, _)| *known == method) {
            Some((_, ask)) => Ok(ask(name)),
            None => Err(Unfit::Method(methods(meanings))),
        }
    }

    /// Whether anybody may ask: who looks after a machine asks without a credential.
    pub fn is_probe(&self) -> bool {
        matches!(self, Self::Live | Self::Ready)
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        match self {
            Self::Drain(_)
            | Self::Undrain(_)
            | Self::Off(_)
            | Self::On(_)
            | Self::Weigh(_)
            | Self::SetMaintenance
            | Self::Reload
            | Self::SetLog => true,
            Self::Live
            | Self::Ready
            | Self::Numbers
            | Self::Nodes
            | Self::Node(_)
            | Self::Maintenance
            | Self::Requests
            | Self::Request(_)
            | Self::Transfers
            | Self::Log
            | Self::OpenApi
            | Self::Page(_) => false,
        }
    }
}

/// All paths and methods for programs, as the description writes them.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let methods = |Row(path, meanings): &'static Row| {
        meanings.iter().map(move |(method, _)| (*path, *method))
    };
    ROUTES.iter().flat_map(methods)
}

/// The name in a path, empty where the pattern has none; `None` when it does not fit.
fn fits<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once("{}") else {
        return (pattern == path).then_some("");
    };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn methods(meanings: &'static [Meaning]) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for (method, _) in meanings {
        methods.push(*method);
        if *method == "GET" {
            methods.push("HEAD");
        }
    }
    methods
}

const ROUTES: &[Row] = &[
    Row("/livez", &[("GET", |_| Ask::Live)]),
    Row("/readyz", &[("GET", |_| Ask::Ready)]),
    Row("/metrics", &[("GET", |_| Ask::Numbers)]),
    Row("/nodes", &[("GET", |_| Ask::Nodes)]),
    Row("/v1/nodes", &[("GET", |_| Ask::Nodes)]),
    Row("/v1/nodes/{}", &[("GET", |name| Ask::Node(name.into()))]),
    Row(
        "/v1/nodes/{}/drain",
        &[("POST", |name| Ask::Drain(name.into()))],
    ),
    Row(
        "/v1/nodes/{}/undrain",
        &[("POST", |name| Ask::Undrain(name.into()))],
    ),
    Row(
        "/v1/nodes/{}/off",
        &[("POST", |name| Ask::Off(name.into()))],
    ),
    Row("/v1/nodes/{}/on", &[("POST", |name| Ask::On(name.into()))]),
    Row(
        "/v1/nodes/{}/weight",
        &[("PUT", |name| Ask::Weigh(name.into()))],
    ),
    Row(
        "/v1/maintenance",
        &[
            ("GET", |_| Ask::Maintenance),
            ("PUT", |_| Ask::SetMaintenance),
        ],
    ),
    Row("/v1/requests", &[("GET", |_| Ask::Requests)]),
    Row("/v1/requests/{}", &[("GET", |id| Ask::Request(id.into()))]),
    Row("/v1/transfers", &[("GET", |_| Ask::Transfers)]),
    Row("/v1/reload", &[("POST", |_| Ask::Reload)]),
    Row(
        "/v1/log",
        &[("GET", |_| Ask::Log), ("PUT", |_| Ask::SetLog)],
    ),
    Row("/v1/openapi.json", &[("GET", |_| Ask::OpenApi)]),
];

/// What the browser of somebody who looks asks for.
const PAGE: &[Row] = &[
    Row("/", &[("GET", |_| Ask::Page(Piece::Document))]),
    Row("/page.css", &[("GET", |_| Ask::Page(Piece::Style))]),
    Row("/page.js", &[("GET", |_| Ask::Page(Piece::Script))]),
    Row("/page.svg", &[("GET", |_| Ask::Page(Piece::Icon))]),
    Row("/events", &[("GET", |_| Ask::Page(Piece::Events))]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str) -> Result<Ask, Unfit> {
        Ask::parse(&method.parse().unwrap(), path)
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(parse("GET", "/v1/nodes/a"), Ok(Ask::Node("a".into())));
        assert_eq!(parse("HEAD", "/v1/nodes/a"), Ok(Ask::Node("a".into())));
        assert_eq!(
            parse("POST", "/v1/nodes/a/drain"),
            Ok(Ask::Drain("a".into()))
        );
        for path in [
            "/v1/nodes/",
            "/v1/nodes/a/",
            "/v1/nodes/a/b/drain",
            "/v1/nodes//drain",
            "/v1/",
        ] {
            assert_eq!(parse("GET", path), Err(Unfit::NoSuchPage), "{path}");
        }
    }

    #[test]
    fn another_method_is_told_the_ones_there_are() {
        let told = |method, path| match parse(method, path) {
            Err(Unfit::Method(methods)) => methods.join(", "),
            other => panic!("{other:?}"),
        };
        assert_eq!(told("POST", "/nodes"), "GET, HEAD");
        assert_eq!(told("GET", "/v1/reload"), "POST");
        assert_eq!(told("DELETE", "/v1/log"), "GET, HEAD, PUT");
    }

    #[test]
    fn what_changes_something_is_never_a_get() {
        for (path, method) in all() {
            let ask = parse(method, &path.replace("{}", "x")).unwrap();
            assert_eq!(ask.changes(), method != "GET", "{method} {path}");
        }
    }

    #[test]
    fn the_description_has_every_page_and_no_other() {
        let text = include_str!("../../conf/openapi.json");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut described = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let pattern = match path.split_once('{') {
                    Some((before, rest)) => {
                        let (_, after) = rest.split_once('}').unwrap();
                        format!("{before}{{}}{after}")
                    }
                    None => path.clone(),
                };
                if method != "parameters" {
                    described.push((pattern, method.to_uppercase()));
                }
            }
        }
        let mut known: Vec<_> = all()
            .map(|(path, method)| (path.to_owned(), method.to_owned()))
            .collect();
        described.sort();
        known.sort();
        assert_eq!(described, known);
    }
}
