//! What commands show about a shared cache.

mod finish;
mod places;
mod share;

pub(super) use self::finish::finish;
pub(super) use self::places::Places;
pub(super) use self::share::Share;
