//! blazesym: batches of addresses against an ELF file or this process.

use blazesym::symbolize::source::{Elf, Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use blazesym::{Addr, Pid};

use super::{Engine, Target};
use crate::store::Sink;

/// Addresses a call: the answers of a call are owned, and all of 100,000 at once would be its peak.
const BATCH: usize = 1000;

#[derive(Debug)]
pub struct Blazesym {
    symbolizer: Symbolizer,
    source: Source<'static>,
    bias: Option<u64>,
}

impl Engine for Blazesym {
    fn open(target: &Target<'_>) -> Result<Self, String> {
        let source = match target.bias {
            Some(_) => {
                let mut process = Process::new(Pid::Slf);
                // The default needs CAP_CHECKPOINT_RESTORE, which a service does not have.
                process.map_files = false;
                Source::Process(process)
            }
            None => Source::Elf(Elf::new(target.path)),
        };
        Ok(Self { symbolizer: Symbolizer::new(), source, bias: target.bias })
    }

    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String> {
        let bias = self.bias.unwrap_or(0);
        for batch in addresses.chunks(BATCH) {
            let batch: Vec<Addr> = batch.iter().map(|address| address.wrapping_add(bias)).collect();
            let input = if self.bias.is_some() { Input::AbsAddr(&*batch) } else { Input::VirtOffset(&*batch) };
            let answers = self.symbolizer.symbolize(&self.source, input).map_err(|error| error.to_string())?;
            for answer in &answers {
                if let Symbolized::Sym(symbol) = answer {
                    chain(symbol, sink);
                }
                sink.end();
            }
        }
        Ok(())
    }
}

fn chain(symbol: &Sym<'_>, sink: &mut impl Sink) {
    for inlined in symbol.inlined.iter().rev() {
        frame(&inlined.name, inlined.code_info.as_ref(), sink);
    }
    frame(&symbol.name, symbol.code_info.as_deref(), sink);
}

fn frame(name: &str, code: Option<&CodeInfo<'_>>, sink: &mut impl Sink) {
    let Some(code) = code else { return sink.frame(name, "", 0) };
    sink.frame(name, &code.to_path().to_string_lossy(), code.line.unwrap_or(0));
}
