// Empty, because every kernel includes ../../device.h.
