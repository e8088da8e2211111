//! addr2line: its loader, one address at a time.

use std::error::Error;

use addr2line::Loader;

use super::{Engine, Target};
use crate::store::Sink;

pub struct Addr2line {
    loader: Loader,
}

impl Engine for Addr2line {
    fn open(target: &Target<'_>) -> Result<Self, String> {
        let loader = Loader::new(target.path).map_err(|error| error.to_string())?;
        Ok(Self { loader })
    }

    fn resolve(&mut self, addresses: &[u64], sink: &mut impl Sink) -> Result<(), String> {
        for address in addresses {
            self.one(*address, sink).map_err(|error| error.to_string())?;
            sink.end();
        }
        Ok(())
    }
}

impl Addr2line {
    fn one(&self, address: u64, sink: &mut impl Sink) -> Result<(), Box<dyn Error>> {
        let mut frames = self.loader.find_frames(address)?;
        let mut any = false;
        while let Some(frame) = frames.next()? {
            any = true;
            let location = frame.location.as_ref();
            let file = location.and_then(|location| location.file).unwrap_or_default();
            let line = location.and_then(|location| location.line).unwrap_or(0);
            match &frame.function {
                Some(function) => sink.frame(&function.demangle().unwrap_or_default(), file, line),
                None => sink.frame(&self.symbol(address), file, line),
            }
        }
        if !any {
            sink.frame(&self.symbol(address), "", 0);
        }
        Ok(())
    }

    fn symbol(&self, address: u64) -> String {
        let name = self.loader.find_symbol(address).unwrap_or_default();
        addr2line::demangle_auto(name.into(), None).into_owned()
    }
}
