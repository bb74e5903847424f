// The build scripts of dfdx and cudarc check that this file exists.
