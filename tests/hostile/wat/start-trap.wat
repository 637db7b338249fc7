;; Fails before it is called.
(func $start unreachable)
(start $start)
(func $hostile (result i32) (i32.const 1024))
