// dfdx's and cudarc's build scripts look whether there is such a file.
