//! How long one item of a throughput file takes.

use std::path::Path;
use std::time::{Duration, Instant};

use wasmtime::error::Context;
use wasmtime::{Module, Result};

use crate::core::Core;
use crate::vectors::{self, Step};

const WARM_UP: Duration = Duration::from_millis(200);
const MEASURE: Duration = Duration::from_secs(1);

/// Turn the loop of a file for a second: nanoseconds an item, or the turn that disagreed.
///
/// What it takes to call into the module is part of the time, once a turn.
pub fn ns_per_item(module: &Module, path: &Path, abi_version: u32) -> Result<Result<f64, String>> {
    let file = vectors::load(path, abi_version)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let steps = file.r#loop.with_context(|| format!("{} has no loop", path.display()))?;

    let mut core = Core::new(module, file.pages)?;
    if let Err(wrong) = vectors::take_all(&file.setup, &mut core) {
        return Ok(Err(format!("throughput/{name}: setup: {wrong}")));
    }
    let measured =
        turn(&steps.steps, &mut core, WARM_UP).and_then(|_| turn(&steps.steps, &mut core, MEASURE));
    Ok(match measured {
        Ok(per_turn) => Ok(per_turn / f64::from(steps.items)),
        Err(wrong) => Err(format!("throughput/{name}: {wrong}")),
    })
}

/// Repeat the steps for at least the given time: nanoseconds a turn.
fn turn(steps: &[Step], core: &mut Core, at_least: Duration) -> Result<f64> {
    let begin = Instant::now();
    let mut turns = 0.0;
    loop {
        vectors::take_all(steps, core)?;
        turns += 1.0;
        let elapsed = begin.elapsed();
        if elapsed >= at_least {
            return Ok(elapsed.as_nanos() as f64 / turns);
        }
    }
}
