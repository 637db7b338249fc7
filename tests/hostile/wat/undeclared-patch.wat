;; Writes what its manifest does not say.
(data (i32.const 1200) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\00\09\00\00" "\07\00\00\00" "\00")
(data (i32.const 2304) "{\"x\":1}")
(func $hostile (result i32) (i32.const 1200))
