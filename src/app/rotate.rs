//! The log file is opened anew when somebody moved the old one away.

use tokio::signal::unix::SignalKind;

use crate::observe::log::Log;

use super::drain::Listening;

/// Opens the log file anew on every SIGUSR1, also while the last requests run.
///
/// The signal is listened to whether or not there is a file: unheard, it would end the process.
pub(super) async fn reopen(log: Log) {
    let mut told = Listening::to(SignalKind::user_defined1());
    loop {
        told.next().await;
        let Some(file) = log.file() else {
            tracing::info!("told to open the log file anew, but the log is standard error");
            continue;
        };
        match log.reopen() {
            Ok(()) => tracing::info!(file = %file.display(), "log file opened anew"),
            Err(error) => {
                tracing::error!(%error, "log file cannot be opened anew: lines go on to the old one");
            }
        }
    }
}
