;; Never comes to be called.
(func $start (loop $again (br $again)))
(start $start)
(func $hostile (result i32) (i32.const 1024))
