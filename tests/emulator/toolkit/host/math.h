// Every kernel has it already: ../../device.h.
