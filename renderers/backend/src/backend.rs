//! What a user may ask for.
//!
//! The rule: three words, read and written the same way everywhere.

use std::fmt;
use std::str::FromStr;

use shimmer_fractal::Refused;

/// Which renderer draws.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Backend {
    /// Whichever was the faster when views of that class were measured.
    #[default]
    Auto,
    /// The processor; no graphics processor is looked for.
    Cpu,
    /// The best device there is, a program that plays one included.
    Gpu,
}

impl Backend {
    const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Gpu];

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Backend {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let known = Self::ALL.into_iter().find(|backend| backend.word() == text);
        known.ok_or_else(|| Refused::new("backend", "is none of auto, cpu, gpu"))
    }
}

/// How [`crate::Backends`] work.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BackendOptions {
    /// Which renderer draws.
    pub backend: Backend,
    /// Threads of the renderer for processors; 0 for as many as the machine runs at once.
    pub threads: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(backend));
        }
        let refused = "cuda".parse::<Backend>().unwrap_err().to_string();
        assert_eq!(refused, "backend is none of auto, cpu, gpu");
    }
}
