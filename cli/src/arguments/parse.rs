//! Reads the command line.

use std::{any::TypeId, ffi::OsString};

use clap::{Arg, Command, CommandFactory, FromArgMatches};
use fltorrent_crds::{BitRate, ByteSize, Interval};

use super::Arguments;

/// Reads the command line, of which the first word is the program's name.
///
/// # Errors
/// What is wrong with it; help and version are errors too.
pub fn parse<W: Into<OsString> + Clone>(words: impl IntoIterator<Item = W>) -> Result<Arguments, clap::Error> {
    let mut command = with_signs(Arguments::command());
    let matches = command.try_get_matches_from_mut(words)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A value below 0 goes to its option, which says what may be there, instead of being taken for another option.
fn with_signs(command: Command) -> Command {
    command.mut_args(with_sign).mut_subcommands(with_signs)
}

fn with_sign(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    let is_one_of = |kinds: &[TypeId]| kinds.iter().any(|it| kind == *it);
    if is_one_of(&[TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<f64>()]) {
        arg.allow_negative_numbers(true)
    } else if is_one_of(&[
        TypeId::of::<BitRate>(),
        TypeId::of::<Interval>(),
        TypeId::of::<ByteSize>(),
    ]) {
        arg.allow_hyphen_values(true)
    } else {
        arg
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// The commands with the words that lead to each.
    fn all(command: &Command, words: &[String]) -> Vec<(Vec<String>, Command)> {
        let words = [words, &[command.get_name().to_owned()]].concat();
        let below: Vec<_> = command
            .get_subcommands()
            .flat_map(|command| all(command, &words))
            .collect();
        [(words, command.clone())].into_iter().chain(below).collect()
    }

    #[test]
    fn a_value_below_0_is_answered_by_the_option_not_taken_for_another_one() {
        let mut seen = 0;
        for (words, command) in all(&with_signs(Arguments::command()), &[]) {
            let signed = command
                .get_arguments()
                .filter(|arg| arg.is_allow_negative_numbers_set() || arg.is_allow_hyphen_values_set());
            for arg in signed {
                let option = format!("--{}", arg.get_long().unwrap());
                let line = words.iter().cloned().chain([option, "-1".to_owned()]);
                let fault = parse(line).unwrap_err();
                let name = (command.get_name(), arg.get_id());
                assert_eq!(fault.kind(), ErrorKind::ValueValidation, "{name:?}: {fault}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
