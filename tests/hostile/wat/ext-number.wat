;; A number that reads differently in other languages.
(data (i32.const 1200) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\00\09\00\00" "\0b\00\00\00" "\00")
(data (i32.const 2304) "{\"x\":1e999}")
(func $hostile (result i32) (i32.const 1200))
