//! The tokens in force, with the files read that hold them.
//!
//! The rule: a token file is read whole or refused; its contents never reach a message.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::problem::{Place, Problem, Problems};
use super::value::is_token;
use super::{AuthSection, Secret};

/// Longest token file.
const FILE_BYTES: u64 = 4096;

/// A token and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedToken {
    /// Its name: `default` for the owner's.
    pub name: String,
    /// The token.
    pub token: Secret,
    /// Globs of the sources it may use; empty for any.
    pub sources: Vec<String>,
}

impl AuthSection {
    /// Whether any token is set, as text or as a file.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.token.is_empty() || !self.token_file.as_os_str().is_empty() || !self.tokens.is_empty()
    }

    /// The tokens in force, the owner's first.
    ///
    /// # Errors
    /// Every token file that cannot be read or does not hold a token, and tokens that are the
    /// same.
    pub fn read_tokens(&self) -> Result<Vec<NamedToken>, Problems> {
        let owner = ("default", &self.token, self.token_file.as_path(), &[][..]);
        let others = self.tokens.iter().map(|table| {
            (table.name.as_str(), &table.token, table.token_file.as_path(), &table.sources[..])
        });
        let mut tokens: Vec<NamedToken> = Vec::with_capacity(1 + self.tokens.len());
        let mut problems = Vec::new();
        for (name, text, file, sources) in std::iter::once(owner).chain(others) {
            let token = match (text.is_empty(), file.as_os_str().is_empty()) {
                (false, _) => text.clone(),
                (true, true) => continue,
                (true, false) => match read_token(file) {
                    Ok(token) => token,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                },
            };
            if let Some(other) = tokens.iter().find(|other| other.token == token) {
                let message = format!("the tokens `{}` and `{name}` are the same", other.name);
                problems.push(Problem::new(Place::Path(file.to_owned()), message));
                continue;
            }
            tokens.push(NamedToken { name: name.to_owned(), token, sources: sources.to_vec() });
        }
        if problems.is_empty() { Ok(tokens) } else { Err(Problems(problems)) }
    }
}

/// Reads the token in a file; blanks and line ends around it do not count.
///
/// # Errors
/// A file that cannot be read or does not hold exactly one token.
pub fn read_token(path: &Path) -> Result<Secret, Problem> {
    let fault = |message: String| Problem::new(Place::Path(path.to_owned()), message);
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut text))
        .map_err(|error| fault(format!("the token file cannot be read: {error}")))?;
    let token = std::str::from_utf8(&text).map_or("", str::trim);
    if token.is_empty() || !is_token(token) {
        return Err(fault("the file does not hold a token".to_owned())
            .hint("write one line of 1 to 1024 visible ASCII characters without blanks"));
    }
    Ok(Secret::new(token))
}
