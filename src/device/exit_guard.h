// Drivers that compile (PoCL with LLVM) keep statics that they destroy at exit, in an order that
// nobody controls. A Device that a host's own static drops after that must not call them any more.
#pragma once

namespace inference {

// To be called after the driver may have compiled: whatever statics it made by then are still alive
// when ProcessIsExiting() first says so, as exit handlers run last in, first out.
void WatchExit();

bool ProcessIsExiting();

}  // namespace inference
