//! Two lengths in pixels, or the same length twice.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Two lengths in pixels: along the height and along the width. `3` is short for `[3, 3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(from = "WrittenSides")]
pub struct Sides(pub [usize; 2]);

/// Lengths as they are written.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum WrittenSides {
    /// The same length along the height and along the width.
    Square(#[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))] usize),
    /// A length along the height, and one along the width.
    Rectangle(
        #[schemars(inner(range(min = 1, max = 1 << 20)), extend("x-unit" = "pixels"))] [usize; 2],
    ),
}

impl Sides {
    pub const ONE: Self = Self([1, 1]);

    /// Returns the product of both.
    pub fn area(self) -> usize {
        self.0[0].saturating_mul(self.0[1])
    }

    pub fn is_one(&self) -> bool {
        *self == Self::ONE
    }
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.0[0], self.0[1])
    }
}

impl Serialize for Sides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [height, width] if height == width => height.serialize(serializer),
            sides => sides.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SidesVisitor;

        impl<'de> Visitor<'de> for SidesVisitor {
            type Value = Sides;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of pixels, or `[height, width]`")
            }

            fn visit_u64<E: de::Error>(self, side: u64) -> Result<Sides, E> {
                let side = usize::try_from(side).map_err(E::custom)?;
                Ok(Sides([side, side]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sides: A) -> Result<Sides, A::Error> {
                <[usize; 2]>::deserialize(SeqAccessDeserializer::new(sides)).map(Sides)
            }
        }

        deserializer.deserialize_any(SidesVisitor)
    }
}
