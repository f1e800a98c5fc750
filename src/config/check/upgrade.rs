//! How another process comes after this one.

use crate::config::file;
use crate::config::problem::Problems;
use crate::config::settings::Upgrade;

use super::value::{optional_path, period_or_zero};

/// The socket and the time for transfers; none where no socket is named.
#[expect(
    clippy::option_option,
    reason = "none is a problem, some none is switched off"
)]
pub(super) fn upgrade(problems: &mut Problems, raw: &file::Upgrade) -> Option<Option<Upgrade>> {
    let socket = optional_path(problems, &raw.socket);
    let grace_period = period_or_zero(problems, &raw.grace_period);
    if raw.socket.value.len() > LONGEST {
        let what = format!("is longer than the {LONGEST} bytes that the system allows");
        return problems.refuse(&raw.socket, what, "write a shorter path");
    }
    let (socket, grace_period) = (socket?, grace_period?);
    Some(socket.map(|socket| Upgrade {
        socket,
        grace_period,
    }))
}

/// What fits into the address of a socket, with room for the name that it has while it is made.
const LONGEST: usize = 90;
