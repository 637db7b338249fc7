//! A file that is new in an embedded folder is seen only by this.

fn main() {
    for folder in ["../../sdk/templates", "../../sdk/rust", "../../wit"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
