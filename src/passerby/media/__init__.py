"""What people have, as pictures: files, folders, their bytes and pixels."""
