//! The two functions that `datafusion-substrait`'s build script calls, answered by a prebuilt `protoc`.
use std::path::PathBuf;

/// The `protoc` executable for the building machine.
pub fn protoc() -> PathBuf {
    protoc_bin_vendored::protoc_bin_path().expect("a protoc for this platform")
}

/// The folder with protobuf's well-known `.proto` files.
pub fn include() -> PathBuf {
    protoc_bin_vendored::include_path().expect("protobuf's well-known types")
}
