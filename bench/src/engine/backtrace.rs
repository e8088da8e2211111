//! backtrace: its global cache, one address at a time. Only names addresses of its own process.

use std::ffi::c_void;

use super::{Engine, Target};
use crate::store::Sink;

pub struct Backtrace {
    bias: u64,
}

impl Engine for Backtrace {
    fn open(target: &Target<'_>) -> Result<Self, String> {
        let bias = target.bias.ok_or("backtrace reads no files of others")?;
        Ok(Self { bias })
    }

    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String> {
        for address in addresses {
            // It takes every address for a return address and looks one byte before it.
            let after = address.wrapping_add(self.bias).wrapping_add(1);
            backtrace::resolve(after as *mut c_void, |symbol| {
                let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
                let file = symbol.filename().map(|path| path.to_string_lossy()).unwrap_or_default();
                sink.frame(&name, &file, symbol.lineno().unwrap_or(0));
            });
            sink.end();
        }
        Ok(())
    }

    fn forget(self) {
        backtrace::clear_symbol_cache();
    }
}
