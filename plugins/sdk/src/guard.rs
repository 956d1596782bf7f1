//! Stops panics at the boundary. Rule: whoever calls into the plugin gets a value back, always.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static WHERE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `call`; a panic inside becomes its message, with file and line where the hook saw it.
pub(crate) fn catch<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    INSIDE.set(true);
    // Unwind safety: the caller lets nobody see the state that a panic leaves behind.
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(false);
    outcome.map_err(|payload| {
        let text = WHERE.take().unwrap_or_else(|| message(payload.as_ref()).to_owned());
        // Dropping a value of any type may panic again: what is not text is leaked.
        if !payload.is::<String>() && !payload.is::<&str>() {
            std::mem::forget(payload);
        }
        text
    })
}

/// Adds the hook that notes where a panic happened. The earlier hook still runs: its lines reach the plugin's log.
///
/// A plugin library carries its own copy of the standard library, so this changes nothing for the host.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            earlier(info);
        }));
    });
}

/// Keeps the panic's place for [`catch`], if one on this thread waits for it.
fn note(info: &PanicHookInfo<'_>) {
    if !INSIDE.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let text = message(info.payload());
    let text = match info.location() {
        Some(at) => format!("panicked at {}:{}: {text}", at.file(), at.line()),
        None => format!("panicked: {text}"),
    };
    let _ending = WHERE.try_with(|place| place.replace(Some(text)));
}

/// What `panic!` was given.
fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return text;
    }
    payload.downcast_ref::<String>().map_or("a panic without a message", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        install_hook();
        let text = catch(|| panic!("no {}", "luck")).unwrap_err();
        assert!(text.contains("guard.rs:") && text.ends_with("no luck"), "{text}");
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[test]
    fn a_panic_outside_is_not_told_later() {
        install_hook();
        let outside = panic::catch_unwind(|| panic!("outside"));
        assert!(outside.is_err());
        // Resuming runs no hook, so that a kept text would have to come from outside.
        let text = catch(|| panic::resume_unwind(Box::new(3_u8))).unwrap_err();
        assert_eq!(text, "a panic without a message");
    }
}
