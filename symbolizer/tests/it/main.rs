//! The symbolizer against real files: its own test program, small C programs, and a program in many forms, all built
//! on the spot.

mod batch;
mod c;
mod chain;
mod child;
mod confined;
mod corruption;
mod debug_dir;
mod deploy;
mod exact;
mod forms;
mod hostile;
mod index;
mod plan;
mod sys;
mod tool;
mod truth;
