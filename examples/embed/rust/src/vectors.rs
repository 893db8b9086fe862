//! The vectors that every runtime must reproduce: JSON in, disagreements out.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wasmtime::error::Context;
use wasmtime::{Module, Result, bail, ensure};

use crate::core::{CallError, Core};

/// A file of vectors, or of a throughput loop.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VectorFile {
    pub abi_version: u32,
    pub pages: u32,
    pub setup: Vec<Step>,
    #[serde(default)]
    pub cases: Vec<Case>,
    pub r#loop: Option<Loop>,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
pub struct Loop {
    pub steps: Vec<Step>,
    /// Packets or queries a turn.
    pub items: u32,
}

/// One thing that a vector does to a core.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Step {
    Write { write: Area },
    Read { read: Area },
    Call { call: String, args: Vec<i64>, returns: Option<u32> },
}

/// A place in linear memory and the bytes that come or are there.
#[derive(Deserialize)]
pub struct Area {
    at: usize,
    #[serde(with = "hex")]
    hex: Vec<u8>,
}

/// What became of the cases of some files.
#[derive(Default)]
pub struct Outcome {
    pub passed: usize,
    pub total: usize,
    pub failures: Vec<String>,
}

/// Read a file and refuse it when it was made for another ABI.
pub fn load(path: &Path, abi_version: u32) -> Result<VectorFile> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: VectorFile = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a vector file", path.display()))?;
    ensure!(
        !file.cases.is_empty() || file.r#loop.is_some(),
        "{} is not a vector file",
        path.display(),
    );
    ensure!(
        file.abi_version == abi_version,
        "{} is for ABI {}, the module speaks ABI {abi_version}",
        path.display(),
        file.abi_version,
    );
    Ok(file)
}

/// Run all files of a folder, each on a fresh instance.
pub fn run(module: &Module, folder: &Path, abi_version: u32) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for path in files(folder)? {
        let file = load(&path, abi_version)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        outcome.total += file.cases.len();

        let mut core = Core::new(module, file.pages)?;
        if let Err(wrong) = take_all(&file.setup, &mut core) {
            outcome.failures.push(format!("{name} setup: {wrong}"));
            continue;
        }
        for case in &file.cases {
            match take_all(&case.steps, &mut core) {
                Ok(()) => outcome.passed += 1,
                Err(wrong) => {
                    outcome.failures.push(format!("{name} case {}: {wrong}", case.name));
                }
            }
        }
    }
    Ok(outcome)
}

/// The vector files of a folder, by name; at least one.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|ext| ext == "json"));
    ensure!(!files.is_empty(), "there are no vectors in {}", folder.display());
    files.sort();
    Ok(files)
}

/// Take steps in order; the error is the first disagreement.
pub fn take_all(steps: &[Step], core: &mut Core) -> Result<()> {
    for (i, step) in steps.iter().enumerate() {
        if let Err(wrong) = step.take(core) {
            bail!("step {}: {wrong}", i + 1);
        }
    }
    Ok(())
}

impl Step {
    /// Do what the step says; the error is what disagreed.
    fn take(&self, core: &mut Core) -> Result<()> {
        match self {
            Step::Write { write } => core.write(write.at, &write.hex),
            Step::Read { read } => compare(core.read(read.at, read.hex.len())?, read),
            Step::Call { call, args, returns } => {
                let result = match core.call(call, args) {
                    Ok(result) => result,
                    Err(CallError::NoExport) => bail!("the module exports no {call}"),
                    Err(error) => bail!("{call} {error}"),
                };
                match (returns, result) {
                    (Some(expected), None) => bail!("{call} returned nothing, expected {expected}"),
                    (Some(expected), Some(found)) if *expected != found => {
                        bail!("{call} returned {found}, expected {expected}")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

fn compare(found: &[u8], expected: &Area) -> Result<()> {
    let mut pairs = found.iter().zip(&expected.hex).enumerate();
    match pairs.find(|(_, (found, expected))| found != expected) {
        None => Ok(()),
        Some((i, (found, wanted))) => {
            bail!("byte {} is {found:02x}, expected {wanted:02x}", expected.at + i)
        }
    }
}
