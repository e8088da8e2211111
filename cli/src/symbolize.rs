//! `flamewatch symbolize`: from the inputs to one answer, and an account of what it lacks.

use crate::addresses::{self, Space};
use crate::failure::Failure;
use crate::finder::Finder;
use crate::input::Input;
use crate::options::{Form, Format, Symbolize};
use crate::profile::Profile;
use crate::stacks::Stacks;
use crate::unnamed::Account;
use crate::{folded, json, naming, output, read, top};

/// Does what the command line says. Nothing is written until everything has been read and named.
pub(crate) fn run(options: &Symbolize) -> Result<(), Failure> {
    let finder = Finder::new(&options.manner.naming)?;
    let inputs = inputs(options)?;
    let mut account = Account::default();
    let mut answer = Vec::new();
    for input in &inputs {
        let written = one(options, &finder, input, inputs.len(), &mut account);
        answer.extend(written.map_err(|failure| failure.of(&input.name))?);
    }
    output::answer(&answer, &options.manner, &account.message(&finder))
}

/// The files and standard input; addresses among the arguments are one more.
fn inputs(options: &Symbolize) -> Result<Vec<Input>, Failure> {
    let is_address = |argument: &&str| argument.starts_with("0x") && addresses::parse(argument).is_some();
    let (given, files): (Vec<&str>, Vec<&str>) =
        options.inputs.iter().map(String::as_str).partition(is_address);
    let mut inputs = files.into_iter().map(Input::read).collect::<Result<Vec<_>, _>>()?;
    if !given.is_empty() {
        inputs.push(Input::of_arguments(&given));
    }
    if inputs.is_empty() {
        inputs.push(Input::piped()?);
    }
    Ok(inputs)
}

fn one(
    options: &Symbolize,
    finder: &Finder<'_>,
    input: &Input,
    inputs: usize,
    account: &mut Account,
) -> Result<Vec<u8>, Failure> {
    let format = options.format.or_else(|| input.format()).ok_or_else(|| Failure::new(read::UNKNOWN))?;
    if format == Format::Addresses {
        return plain(options, finder, input, account);
    }
    let profile = read::named(input, format, finder, account)?;
    let form = match options.to {
        _ if options.json => Form::Json,
        Some(form) => form,
        None if format == Format::Pprof => Form::Pprof,
        None => Form::Folded,
    };
    if form == Form::Pprof {
        if inputs > 1 {
            return Err(Failure::usage("one profile at a time, when profiles are written"));
        }
        output::refuse_terminal(options.manner.output.as_deref())?;
    }
    show(&profile, form, options.value.as_deref())
}

fn show(profile: &Profile, form: Form, value: Option<&str>) -> Result<Vec<u8>, Failure> {
    let stacks = Stacks::of(profile);
    Ok(match form {
        Form::Pprof => return profile.encode().map_err(|error| Failure::new(format!("cannot zip: {error}"))),
        Form::Folded => folded::write(&stacks, value)?,
        Form::Top => top::write(&stacks, value)?,
        Form::Json => json::stacks(&stacks),
    }
    .into_bytes())
}

fn plain(
    options: &Symbolize,
    finder: &Finder<'_>,
    input: &Input,
    account: &mut Account,
) -> Result<Vec<u8>, Failure> {
    if options.to.is_some_and(|form| form != Form::Json) {
        return Err(Failure::usage("addresses are no stacks: they are written as lines, or with --json"));
    }
    let space = Space::of(options)?;
    let addresses = addresses::read(input)?;
    let places = space.places(&addresses);
    let answer = naming::name(finder, space.modules(), &places);
    account.add(&answer, space.modules(), &[]);
    if !options.json && options.to.is_none() {
        return Ok(addresses::write(&space, &addresses, &places, &answer).into_bytes());
    }
    let lines =
        addresses.iter().enumerate().map(|(index, address)| json::address(*address, answer.frames(index)));
    Ok(lines.collect::<String>().into_bytes())
}
