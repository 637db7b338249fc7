;; Says each time that the next one will do.
(data (i32.const 1200) "\01\00\00\00" "\00\00\00\00" "\00\09\00\00" "\05\00\00\00")
(data (i32.const 2304) "later")
(func $hostile (result i32) (i32.const 1200))
