//! Each pass against its definition, in double precision.
