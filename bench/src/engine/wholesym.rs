//! wholesym: a symbol map of the binary, one address at a time.

use tokio::runtime::{Builder, Runtime};
use wholesym::{FrameDebugInfo, FramesLookupResult, LookupAddress, SymbolManager, SymbolManagerConfig, SymbolMap};

use super::{Engine, Target};
use crate::store::Sink;

pub struct Wholesym {
    symbols: SymbolMap,
    // In this order: the map goes first.
    _manager: SymbolManager,
    _runtime: Runtime,
}

impl Engine for Wholesym {
    fn open(target: &Target<'_>) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
        let manager = SymbolManager::with_config(SymbolManagerConfig::default());
        let symbols = runtime.block_on(manager.load_symbol_map_for_binary_at_path(target.path, None));
        Ok(Self { symbols: symbols.map_err(|error| error.to_string())?, _manager: manager, _runtime: runtime })
    }

    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String> {
        for address in addresses {
            if let Some(found) = self.symbols.lookup_sync(LookupAddress::Svma(*address)) {
                match found.frames {
                    Some(FramesLookupResult::Available(frames)) => frames.iter().for_each(|found| frame(found, sink)),
                    _ => sink.frame(&found.symbol.name, "", 0),
                }
            }
            sink.end();
        }
        Ok(())
    }
}

fn frame(found: &FrameDebugInfo, sink: &mut impl Sink) {
    let file = found.file_path.as_ref().map_or("", |path| path.raw_path());
    sink.frame(found.function.as_deref().unwrap_or(""), file, found.line_number.unwrap_or(0));
}
