//! The metrics of this process.

use std::time::Duration;

use actix_rt::time::sleep;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::settings::Problem;

/// The upper bounds of the classes of durations, in seconds: a memory and a slow store fit in.
const BUCKETS: &[f64] =
    &[0.000_01, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];
/// The time between two times that what was recorded is taken together, so that it takes no memory
/// if nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to record metrics. To be called before the storage and the manager are built, which look
/// their counters up then.
pub(crate) fn record() -> Result<PrometheusHandle, Problem> {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(durations, BUCKETS)
        .and_then(PrometheusBuilder::install_recorder);
    let handle = recorder.map_err(|error| Problem::new(format!("metrics: {error}")))?;
    let upkeep = handle.clone();
    actix_rt::spawn(async move {
        loop {
            sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
