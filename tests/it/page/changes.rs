//! Changes from the page: asked first, done, and seen.

use super::window::Window;
use crate::harness::balancer::field;
use crate::harness::cluster::Cluster;
use crate::registry::stage::Stage;

const DRAIN: &str = "[data-act='drain'][data-node='node-2']";
const UNDRAIN: &str = "[data-act='undrain'][data-node='node-2']";

async fn duty(stage: &Stage) -> String {
    let nodes = stage.balancer.nodes().await;
    nodes[1]["duty"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained_only_by_the_answer_in_the_dialog() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::open(&stage.balancer).await;
    window.click(DRAIN).await;
    window.sees("question", "Drain node-2?").await;
    window
        .sees("question", "node-2 is given nothing new.")
        .await;
    window.sees("question", "New requests go to node-1.").await;
    window.click("#question-no").await;
    window
        .is(
            "the dialog is gone",
            "!document.getElementById('question').open",
        )
        .await;
    assert_eq!(duty(&stage).await, "active");

    window.click(DRAIN).await;
    window.click("#question-yes").await;
    window
        .is(
            "the dialog is gone",
            "!document.getElementById('question').open",
        )
        .await;
    assert_eq!(duty(&stage).await, "draining");
    window
        .sees_in("[data-key='node-node-2']", "draining by 127.0.0.1")
        .await;
    let said = stage.balancer.says("duty of a node ordered").await;
    assert_eq!(field(&said, "to"), "draining");

    // Nobody is left to pull from: the answer of the server is shown as it is.
    window.click("[data-act='drain'][data-node='node-1']").await;
    window
        .sees("question", "No other node takes pulls now")
        .await;
    window.click("#question-yes").await;
    window
        .sees("question-refusal", "Refused: no other node takes pulls now")
        .await;
    window.click("#question-no").await;

    window.click(UNDRAIN).await;
    window.sees("question", "Undrain node-2?").await;
    window.click("#question-yes").await;
    window
        .sees_in("[data-key='node-node-2'] .state", "up")
        .await;
    assert_eq!(duty(&stage).await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::open(&stage.balancer).await;
    let mut passed = Vec::new();
    let active = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()";
    while passed.last().is_none_or(|name| name != "Drain node-2") {
        assert!(passed.len() < 30, "{passed:?}");
        window.press("Tab").await;
        let name = window.chrome.evaluate(active).await;
        passed.push(name.as_str().unwrap_or_default().to_owned());
        let ring = "getComputedStyle(document.activeElement).outlineStyle";
        assert_eq!(window.chrome.evaluate(ring).await, "solid", "{passed:?}");
    }
    assert_eq!(passed[0], "Skip to the fleet");
    assert_eq!(
        passed[passed.len() - 2],
        "Drain node-1",
        "in the order of the rows"
    );
    window.press("Enter").await;
    window
        .is("it asks", "document.getElementById('question').open")
        .await;
    window
        .is(
            "and offers the harmless answer",
            "document.activeElement.id === 'question-no'",
        )
        .await;
    window.press("Escape").await;
    window
        .is(
            "the dialog is gone",
            "!document.getElementById('question').open",
        )
        .await;
    let back = window.chrome.evaluate(active).await;
    assert_eq!(back, "Drain node-2", "one goes on where one was");
    assert_eq!(duty(&stage).await, "active");
    window.press("Enter").await;
    window.press("Tab").await;
    window.press("Enter").await;
    window
        .sees_in("[data-key='node-node-2'] .state", "draining")
        .await;
    let back = window.chrome.evaluate(active).await;
    assert_eq!(
        back, "Undrain node-2",
        "and the button is still the one under the hand"
    );
    window.expect_no_complaint();
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_begins_with_a_message_and_ends() {
    let stage = Stage::with(Cluster::builder().nodes(2), |_| ()).await;
    let mut window = Window::open(&stage.balancer).await;
    window.click("[data-act='maintenance']").await;
    window
        .sees("question", "Pushes that begin are refused")
        .await;
    let write = "document.getElementById('question-message').value = 'back at <b>18:00</b>'";
    window.chrome.evaluate(write).await;
    window.click("#question-denied").await;
    window.click("#question-yes").await;
    window
        .sees(
            "alarms",
            "no pushes begin. “back at <b>18:00</b>” by 127.0.0.1",
        )
        .await;
    let page = stage.balancer.admin("/v1/maintenance").await.json();
    assert_eq!(page["message"], "back at <b>18:00</b>");
    assert_eq!(page["instance"]["refusal"], "denied");
    window.click("[data-act='end-maintenance']").await;
    window.click("#question-yes").await;
    window.sees("alarms", "Nothing needs you.").await;
    assert_eq!(
        stage.balancer.admin("/v1/maintenance").await.json()["on"],
        false
    );
    window.expect_no_complaint();
}
