//! Run all vectors and the throughput loops against the Sluice core.
//!
//! Exit code 0: every case passed; 1: some did not; 2: the input is not usable.

mod core;
mod throughput;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use lexopt::prelude::*;
use serde::Serialize;
use wasmtime::error::Context;
use wasmtime::{Engine, Module, Result, bail};

use crate::core::{Core, MIN_PAGES};

const RUNTIME: &str = "rust-wasmtime";
/// Cargo's profile, see build.rs.
const PROFILE: &str = env!("BUILD_PROFILE");

struct Options {
    json: bool,
    module: PathBuf,
    vectors: PathBuf,
}

/// The line that every host prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    runtime: &'static str,
    version: String,
    passed: usize,
    total: usize,
    ns_per_packet: Option<f64>,
    ns_per_answer: Option<f64>,
    start_ms: f64,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // One line, also of causes that take several.
            let sentence = format!("{error:#}");
            let words: Vec<_> = sentence.split_whitespace().collect();
            eprintln!("{RUNTIME}: {}", words.join(" "));
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options {
        json: false,
        module: "build/core/core.wasm".into(),
        vectors: "test/vectors".into(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("module") => options.module = parser.value()?.into(),
            Long("vectors") => options.vectors = parser.value()?.into(),
            other => bail!(other.unexpected()),
        }
    }
    Ok(options)
}

/// Did everything agree?
fn run(options: &Options) -> Result<bool> {
    let begin = Instant::now();
    let (module, abi_version) = start(&options.module)?;
    let start_ms = begin.elapsed().as_secs_f64() * 1e3;

    let mut outcome = vectors::run(&module, &options.vectors, abi_version)?;
    let mut speed = |file: &str| -> Result<Option<f64>> {
        let path = options.vectors.join("throughput").join(file);
        match throughput::ns_per_item(&module, &path, abi_version)? {
            Ok(ns) => Ok(Some(rounded(ns))),
            Err(wrong) => {
                outcome.failures.push(wrong);
                Ok(None)
            }
        }
    };
    let (ns_per_packet, ns_per_answer) = (speed("packets.json")?, speed("answers.json")?);

    for failure in &outcome.failures {
        eprintln!("{failure}");
    }
    let report = Report {
        runtime: RUNTIME,
        version: version(),
        passed: outcome.passed,
        total: outcome.total,
        ns_per_packet,
        ns_per_answer,
        start_ms: rounded(start_ms),
    };
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", sentence(&report));
    }
    Ok(outcome.failures.is_empty())
}

/// Load the module up to the answer of its first export.
fn start(path: &Path) -> Result<(Module, u32)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let module = Module::new(&Engine::default(), bytes)
        .with_context(|| format!("{} is not a module that wasmtime takes", path.display()))?;
    let abi_version = Core::new(&module, MIN_PAGES)?.call("abiVersion", &[])?;
    Ok((module, abi_version.unwrap_or_default()))
}

/// The release of wasmtime, the compiler of both and how hard it tried: the start depends on it.
fn version() -> String {
    let lock = include_str!("../Cargo.lock");
    let wasmtime = lock
        .split_once("name = \"wasmtime\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("unknown");
    let effort = if PROFILE == "quick" { ", unoptimised build" } else { "" };
    format!("{wasmtime} ({}{effort})", env!("BUILT_BY"))
}

fn rounded(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

fn sentence(report: &Report) -> String {
    format!(
        "{} {}: {} of {} cases, {:.1} ns a packet, {:.1} ns a DNS answer, started in {:.1} ms",
        report.runtime,
        report.version,
        report.passed,
        report.total,
        report.ns_per_packet.unwrap_or(f64::NAN),
        report.ns_per_answer.unwrap_or(f64::NAN),
        report.start_ms,
    )
}
