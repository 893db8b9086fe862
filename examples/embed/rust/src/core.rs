//! One core over one linear memory, through wasmtime.

use std::collections::HashMap;
use std::fmt;

use wasmtime::error::Context;
use wasmtime::{
    Func, Instance, Memory, MemoryType, Module, Result, Store, Val, ValType, ensure, format_err,
};

/// Pages of 64 KiB that the module asks for at least.
pub const MIN_PAGES: u32 = 32;

/// An instance of core.wasm and the memory it was lent.
///
/// The module allocates nothing and imports nothing but `env.memory`. The memory has its final
/// size from the start, so that addresses stay valid for the life of the instance.
pub struct Core {
    store: Store<()>,
    memory: Memory,
    exports: HashMap<String, Export>,
}

struct Export {
    func: Func,
    /// Of each parameter: is it an f64?
    floats: Vec<bool>,
    args: Vec<Val>,
    results: Vec<Val>,
}

/// Why a call gave no result.
#[derive(Debug)]
pub enum CallError {
    NoExport,
    ArgumentCount { expected: usize },
    Trapped(wasmtime::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::NoExport => write!(f, "is not an export of the module"),
            CallError::ArgumentCount { expected } => write!(f, "takes {expected} arguments"),
            CallError::Trapped(error) => write!(f, "trapped: {}", error.root_cause()),
        }
    }
}

impl std::error::Error for CallError {}

impl Core {
    /// An instance with a memory of exactly `pages`.
    pub fn new(module: &Module, pages: u32) -> Result<Core> {
        let mut store = Store::new(module.engine(), ());
        let memory = Memory::new(&mut store, MemoryType::new(pages, Some(pages)))?;
        let instance = Instance::new(&mut store, module, &[memory.into()])?;
        let names = module.exports().filter(|export| export.ty().func().is_some());
        let exports = names
            .map(|export| {
                let name = export.name();
                let func =
                    instance.get_func(&mut store, name).context("a function of the module")?;
                Ok((name.to_owned(), Export::new(func, &store)))
            })
            .collect::<Result<_>>()?;
        Ok(Core { store, memory, exports })
    }

    /// Call an export. Addresses and counts are u32, times are whole milliseconds.
    ///
    /// Returns `None` from a function that returns nothing.
    pub fn call(&mut self, name: &str, args: &[i64]) -> Result<Option<u32>, CallError> {
        let export = self.exports.get_mut(name).ok_or(CallError::NoExport)?;
        let expected = export.floats.len();
        if args.len() != expected {
            return Err(CallError::ArgumentCount { expected });
        }
        export.args.clear();
        export.args.extend(args.iter().zip(&export.floats).map(|(&arg, &float)| {
            // A u32 is passed as the i32 of the same bits.
            if float { Val::from(arg as f64) } else { Val::I32(arg as i32) }
        }));
        export
            .func
            .call(&mut self.store, &export.args, &mut export.results)
            .map_err(CallError::Trapped)?;
        Ok(export.results.first().and_then(Val::i32).map(|result| result as u32))
    }

    /// Copy bytes into linear memory.
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let wrong = |_| format_err!("memory ends before {}", at + bytes.len());
        self.memory.write(&mut self.store, at, bytes).map_err(wrong)
    }

    /// Bytes of linear memory.
    pub fn read(&self, at: usize, len: usize) -> Result<&[u8]> {
        let bytes = self.memory.data(&self.store);
        ensure!(at + len <= bytes.len(), "memory ends before {}", at + len);
        Ok(&bytes[at..at + len])
    }
}

impl Export {
    fn new(func: Func, store: &Store<()>) -> Export {
        let ty = func.ty(store);
        Export {
            func,
            floats: ty.params().map(|param| matches!(param, ValType::F64)).collect(),
            args: Vec::with_capacity(ty.params().len()),
            results: vec![Val::I32(0); ty.results().len()],
        }
    }
}
