//! `pilotage transfers`: pushes and pulls that are under way.

use serde_json::Value;

use super::tell::{elements, number, size, table, text};

pub(super) fn tell(page: &Value) -> Vec<String> {
    let names = [
        "REQUEST",
        "",
        "REPOSITORY",
        "NODE",
        "PROGRESS",
        "SECONDS",
        "TAKEOVERS",
        "CLIENT",
    ];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    rows.extend(elements(page, "/transfers").iter().map(row));
    table(&rows)
}

fn row(transfer: &Value) -> Vec<String> {
    let word = |name: &str| text(transfer, &format!("/{name}"));
    let seconds = word("seconds");
    let whole = seconds.split('.').next().unwrap_or_default();
    vec![
        word("request_id"),
        word("direction"),
        word("repo"),
        word("node"),
        progress(transfer),
        whole.to_owned(),
        word("takeovers"),
        word("client"),
    ]
}

fn progress(transfer: &Value) -> String {
    let (bytes, total) = (number(transfer, "/bytes"), number(transfer, "/total"));
    match bytes.saturating_mul(100).checked_div(total) {
        Some(percent) => format!("{} of {}, {percent} %", size(bytes), size(total)),
        None => size(bytes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        let known = json!({ "bytes": 512, "total": 2048 });
        assert_eq!(progress(&known), "512 B of 2.0 KiB, 25 %");
        let unknown = json!({ "bytes": 512, "total": null });
        assert_eq!(progress(&unknown), "512 B");
    }
}
