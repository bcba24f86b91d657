//! Tells cargo that the migrations are part of the program: they are read at
//! compile time, and a new file alone would not build it anew.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
