"""The screen of approvals: requests, and approving or rejecting them."""
