//! Whatever a client sends as its target: reading never fails in an unplanned way, and what was
//! read prints as the very bytes that came.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The room alone, so that a fuzz build does not need the network stack.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/registry/mod.rs"]
mod registry;

use registry::query::Query;
use registry::route::{Audience, Target};

fuzz_target!(|text: &str| {
    let Ok(target) = Target::parse(text) else {
        return;
    };
    assert_eq!(target.to_string(), text);
    assert_eq!(Target::parse(&target.to_string()).as_ref(), Ok(&target));
    assert_eq!(target.route.audience(), Audience::of_target(text));

    if let Some(left) = target.query.as_ref().and_then(|query| query.without("_state")) {
        assert_eq!(left.find("_state"), None);
        assert_eq!(Query::parse(left.as_str()).as_ref(), Some(&left));
    }
});
