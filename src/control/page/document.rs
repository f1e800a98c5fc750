//! The document as a whole: what stays when the parts change.

use maud::{DOCTYPE, PreEscaped, html};

use super::Drawing;

/// The whole page, for this operator.
pub fn document(drawing: &Drawing, operator: &str) -> String {
    // The parts are markup already, and escaped.
    let part = |id: &str| PreEscaped(drawing.parts.get(id).map_or("", String::as_str));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (drawing.title) }
                link rel="icon" type="image/svg+xml" href="/page.svg";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#fleet" { "Skip to the fleet" }
                header {
                    div.brand {
                        img src="/page.svg" alt="" width="28" height="28";
                        h1 { "pilotage" }
                        span.names { (drawing.names) }
                    }
                    div #state { (part("state")) }
                    p #link .link { "A picture of one moment: load the page again for another." }
                }
                main {
                    div #alarms role="status" aria-label="Alarms" { (part("alarms")) }
                    section aria-labelledby="traffic-title" {
                        h2 #traffic-title { "Traffic" }
                        div #traffic .tiles { (part("traffic")) }
                    }
                    section aria-labelledby="fleet-title" {
                        h2 #fleet-title { "Fleet" }
                        div #fleet .panel tabindex="-1" { (part("fleet")) }
                    }
                    section aria-labelledby="running-title" {
                        h2 #running-title { "Under way" }
                        div #running .panel { (part("running")) }
                    }
                    div.pair {
                        section aria-labelledby="rescues-title" {
                            h2 #rescues-title { "Last rescues" }
                            div #rescues .panel { (part("rescues")) }
                        }
                        section aria-labelledby="failures-title" {
                            h2 #failures-title { "Last failed requests" }
                            div #failures .panel { (part("failures")) }
                        }
                    }
                    section aria-labelledby="instances-title" {
                        h2 #instances-title { "Instances" }
                        div #instances .panel { (part("instances")) }
                    }
                }
                footer {
                    p #process { (part("process")) }
                    p { "You are " b { (operator) } "." }
                    nav aria-label="Other pages" {
                        a href="/nodes" { "/nodes" }
                        a href="/metrics" { "/metrics" }
                        a href="/v1/transfers" { "/v1/transfers" }
                        a href="/v1/requests" { "/v1/requests" }
                        a href="/v1/openapi.json" { "/v1/openapi.json" }
                    }
                }
                (question())
            }
        }
    };
    page.into_string()
}

/// What is asked before anything is changed. The script fills it in.
fn question() -> maud::Markup {
    html! {
        dialog #question aria-labelledby="question-title" aria-describedby="question-text" {
            h2 #question-title {}
            p #question-text {}
            div #question-words hidden {
                label for="question-message" { "Message for those who want to push" }
                input #question-message type="text" maxlength="300" autocomplete="off";
                label.choice {
                    input #question-denied type="checkbox";
                    " for good (403): docker shows the message, and clients do not try again"
                }
                label.choice #question-scope hidden {
                    input #question-all type="checkbox";
                    " for all instances, through Redis"
                }
            }
            p #question-refusal role="alert" {}
            div.buttons {
                button #question-no type="button" { "Cancel" }
                button #question-yes .firm type="button" {}
            }
        }
    }
}
