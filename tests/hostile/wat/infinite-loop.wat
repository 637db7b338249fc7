;; Runs until it is stopped.
(func $hostile (result i32) (loop $again (br $again)) unreachable)
